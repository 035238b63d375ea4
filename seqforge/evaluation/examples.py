"""The loss and the metrics of labelled examples."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data.dataset import LabelledDataset
from seqforge.data.padded_batches import PaddedBatch, evaluation_examples
from seqforge.distribution.world import ALONE, World
from seqforge.errors import NonFiniteError
from seqforge.evaluation.intervals import Interval, bootstrap_values, finite_intervals, format_interval
from seqforge.evaluation.metrics import TextScores, score_by_each, summarize
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.experiment.settings import Decoding
from seqforge.figures import describe_count
from seqforge.generation.predictions import RawPrediction, predict_examples
from seqforge.kinds import Evaluated, ExamplePrediction, ExampleSpec, Loss, Numbers, PredictionMetric, Value
from seqforge.kinds.example_values import decode_input, decode_target
from seqforge.kinds.metric import validate_score
from seqforge.model.sequence_model import DecoderContext, SequenceModel
from seqforge.model.stack import EncoderOutput

_BatchScore = tuple[float, int, list[int], list[Any]]
"""The loss of a batch, its number of targets, and its examples with the values of their predictions."""


@dataclass(frozen=True, slots=True)
class ExampleScore:
    """The score of a model on labelled examples.

    Attributes:
        loss: Mean training loss per target.
        examples: Number of examples.
        metrics: Values of the metrics by `metric.value`.
        reports: Reports of the metrics, such as a confusion matrix, by metric.
        intervals: Bootstrap intervals of the metrics over the examples; empty if there are none.
        summary: Sentences about the values.
    """

    loss: float
    examples: int
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    reports: Mapping[str, str] = field(default_factory=dict[str, str])
    intervals: Mapping[str, Interval] = field(default_factory=dict[str, Interval])
    summary: tuple[str, ...] = ()

    @property
    def size(self) -> str:
        """The number of examples scored, with its unit."""
        return describe_count(self.examples, "example")

    def record(self) -> dict[str, object]:
        """Return the values, intervals and reports as a record for JSON."""
        record = {"loss": self.loss, "examples": self.examples, **self.metrics, "reports": dict(self.reports)}
        return {**record, "intervals": finite_intervals(self.intervals)}

    def lines(self) -> Iterator[str]:
        """Yield the sentences, the values with their intervals, and the reports as lines of text."""
        yield from (f"  {sentence}" for sentence in self.summary)
        values = {"loss": self.loss, **self.metrics}
        width = max(map(len, values))
        for name, value in values.items():
            shown = f"  {format_interval(self.intervals[name])}" if name in self.intervals else ""
            yield f"  {name:<{width}}  {value:.4f}{shown}"
        for name, report in self.reports.items():
            yield f"\n{name}\n{report}"

    def event(self, step: int, *, best: bool) -> Evaluated:
        """Return the event for callbacks."""
        return Evaluated(step, self.loss, None, None, best, self.metrics, summary=self.summary)


@dataclass(frozen=True, slots=True)
class ExampleScoring:
    """Settings for scoring examples.

    Attributes:
        loss: The training loss, on the device of the model.
        metrics: Metrics of predictions by name.
        decoding: Options for decoding new sequences.
        rows: Maximum number of examples in a batch.
        tokens: Maximum number of steps in a batch.
        limit: Maximum number of steps to score; None for all.
        resamples: Number of resamples for the intervals of the metrics, each of which scores them anew; 0 for none.
    """

    loss: Loss
    metrics: Mapping[str, PredictionMetric]
    decoding: Decoding
    rows: int
    tokens: int
    limit: int | None = None
    resamples: int = 0


def score_examples(
    model: SequenceModel,
    dataset: LabelledDataset,
    examples: NDArray[np.int64],
    scoring: ExampleScoring,
    report: Report = no_report,
    world: World = ALONE,
) -> ExampleScore:
    """Predict examples and score the predictions. The model is left in evaluation mode.

    The batches are divided over the processes of `world`, all of which return the same score.

    Raises:
        NonFiniteError: If the loss is not finite.
    """
    model.eval()
    scores: list[list[_BatchScore]] = world.collect(
        lambda: list(_score_batches(model, dataset, examples, scoring, report, world))
    )
    # In the order in which one process scores the batches, so that it does not matter how they are divided.
    turns: Iterator[tuple[_BatchScore | None, ...]] = zip_longest(*scores)
    batches = [batch for turn in turns for batch in turn if batch is not None]
    total, targets, scored = 0.0, 0, 0
    predictions: list[ExamplePrediction] = []
    spec, dtype = dataset.file.spec, np.float32 if isinstance(dataset.file.spec.target, Numbers) else np.int64
    for value, count, indices, predicted in batches:
        total += require_finite(value) * count
        targets += count
        scored += len(indices)
        inputs = dataset.file.inputs.read(indices) if scoring.metrics else []
        for index, steps, values in zip(indices, inputs, predicted, strict=bool(scoring.metrics)):
            prediction = ExamplePrediction(
                dataset.file.names[index],
                decode_input(spec, dataset.vocabulary, steps),
                decode_target(spec, dataset.vocabulary, np.array(values, dtype=dtype)),
                decode_targets(dataset, index),
            )
            predictions.append(prediction)
    return ExampleScore(total / max(targets, 1), scored, *_score_predictions(dataset, predictions, scoring, world))


def _score_batches(
    model: SequenceModel,
    dataset: LabelledDataset,
    examples: NDArray[np.int64],
    scoring: ExampleScoring,
    report: Report,
    world: World,
) -> Iterator[_BatchScore]:
    """Yield the score of every batch of this process."""
    file, device = dataset.file, next(model.parameters()).device
    end = file.spec.output_size(dataset.vocabulary.size) if model.decoder is not None else None
    own = evaluation_examples(file, examples, scoring.rows, scoring.tokens, end, scoring.limit, world)
    scored, steps = 0, 0
    with torch.inference_mode():
        for indices, loaded in own:
            batch = loaded.to(device)
            encoded = model.encode(batch.inputs, batch.lengths)
            value = example_loss(model, file.spec, encoded, batch, scoring.loss).item()
            predicted: list[RawPrediction] = []
            if scoring.metrics:
                predicted = predict_examples(model, file.spec, encoded, scoring.decoding)
            yield value, batch.target_count, indices.tolist(), [prediction.values.tolist() for prediction in predicted]
            scored += len(indices) * world.size
            steps += int(batch.lengths.sum()) * world.size
            fraction = max(scored / len(examples), steps / scoring.limit if scoring.limit else 0.0)
            report(WorkProgressed("evaluating", min(fraction, 1.0)))


def score_each_example(
    model: SequenceModel,
    dataset: LabelledDataset,
    examples: NDArray[np.int64],
    loss: Loss,
    report: Report,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score each example alone. The model is left in evaluation mode.

    Returns:
        Sum of the losses of the targets, and number of targets, of each example, in the order of `examples`.
    """
    alone = ExampleScoring(loss, {}, Decoding(), rows=1, tokens=1 << 40)
    losses: dict[int, tuple[float, int]] = {}
    model.eval()
    for value, count, (index,), _ in _score_batches(model, dataset, examples, alone, report, ALONE):
        losses[index] = (value * count, count)
    pairs = np.array([losses[index] for index in examples.tolist()], dtype=np.float64)
    return pairs[:, 0], pairs[:, 1]


def require_finite(loss: float) -> float:
    """Return a loss, or raise a NonFiniteError if it is infinite or not a number."""
    if not math.isfinite(loss):
        raise NonFiniteError(f"the loss on held-out examples is {loss}")
    return loss


def decode_targets(dataset: LabelledDataset, example: int) -> tuple[Value, ...]:
    """Return the target and the alternatives of an example, as values of the example spec."""
    file = dataset.file
    first = int(file.first_targets(np.array([example]))[0])
    indices = range(first, int(file.target_stops[example]))
    return tuple(decode_target(file.spec, dataset.vocabulary, values) for values in file.targets.read(indices))


def _score_predictions(
    dataset: LabelledDataset, predictions: list[ExamplePrediction], scoring: ExampleScoring, world: World
) -> tuple[dict[str, float], dict[str, str], dict[str, Interval], tuple[str, ...]]:
    """Return the values, the reports and the intervals of the metrics, and sentences about the values."""

    def score_drawn(metric: PredictionMetric, drawn: NDArray[np.int64]) -> Mapping[str, float]:
        chosen = [predictions[index] for index in cast("list[int]", drawn.tolist())]
        return validate_score(metric.score(dataset.file.spec, chosen)).values

    def score(metric: PredictionMetric) -> tuple[dict[str, float], str, dict[str, Interval], dict[str, float]]:
        found = validate_score(metric.score(dataset.file.spec, predictions))
        resamples = scoring.resamples if found.values else 0
        intervals = bootstrap_values(len(predictions), lambda drawn: score_drawn(metric, drawn), resamples)
        sizes = {key: float(found.weights.get(key, len(predictions))) for key in found.values}
        return dict(found.values), found.report, intervals, sizes

    scores = score_by_each(scoring.metrics, score, world)
    values = {f"{name}.{key}": value for name, (own, *_) in scores.items() for key, value in own.items()}
    reports = {name: report for name, (_, report, *_) in scores.items() if report}
    intervals = {
        f"{name}.{key}": Interval(*pair) for name, (*_, pairs, _) in scores.items() for key, pair in pairs.items()
    }
    sizes = {f"{name}.{key}": size for name, (*_, own) in scores.items() for key, size in own.items()}
    summary = summarize(scoring.metrics, TextScores(values, sizes=sizes), TextScores()).summary
    return values, reports, intervals, summary


def example_loss(
    model: SequenceModel,
    spec: ExampleSpec,
    encoded: EncoderOutput,
    batch: PaddedBatch,
    loss: Loss,
    sampling_probability: float = 0.0,
) -> Float[Tensor, ""]:
    """Return the loss of a batch of examples, averaged over all targets that are not padding.

    With `sampling_probability`, the decoder reads a symbol that it drew instead of the target (scheduled sampling).
    """
    if model.decoder is not None:
        context = model.decoder_context(encoded)
        return loss(_decode(model, context, batch.targets, sampling_probability), batch.targets)
    if spec.output_mode == "once":
        return loss(model.predict(encoded.last), batch.targets)
    outputs = model.predict(encoded.outputs)
    return loss(_set_blank_in_padding(outputs, batch.lengths) if loss.aligns else outputs, batch.targets)


def _decode(
    model: SequenceModel, context: DecoderContext, targets: Int[Tensor, "steps batch"], sampling_probability: float
) -> Float[Tensor, "steps batch symbols"]:
    """Decode with teacher forcing (Williams and Zipser 1989) or scheduled sampling (Bengio et al. 2015)."""
    end = model.head.out_features - 1
    # The end symbol is also the start symbol. Steps in the padding read it too, but the loss ignores them.
    previous = torch.cat([targets.new_full((1, targets.shape[1]), end), targets[:-1]])
    known = previous.where(previous >= 0, end)
    if not sampling_probability:
        return model.decode(known, context)[0]
    # A step may read a symbol that was drawn in the previous step, so the steps run one by one. No gradient flows
    # through a draw.
    states = model.decoder_states(targets.shape[1])
    outputs: list[Tensor] = []
    for step, symbols in enumerate(known.unbind(0)):
        if step:
            drawn = outputs[-1].detach().float().softmax(-1).multinomial(1).squeeze(1)
            replaced = torch.rand(len(symbols), device=symbols.device) < sampling_probability
            symbols = drawn.where(replaced, symbols)
        logits, states = model.decode(symbols.unsqueeze(0), context, states)
        outputs.append(logits[0])
    return torch.stack(outputs)


def _set_blank_in_padding(
    outputs: Float[Tensor, "time batch symbols"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "time batch symbols"]:
    """Set the probability of the blank to 1 in the padding, so that the loss is that of the row without padding."""
    padding = torch.arange(len(outputs), device=lengths.device).unsqueeze(1) >= lengths
    # Minus infinity, not a low logit: a target that is too long for the row must not be aligned with the padding.
    blank = torch.full_like(outputs[0, 0], -torch.inf)
    blank[-1] = 0
    return torch.where(padding.unsqueeze(-1), blank, outputs)
