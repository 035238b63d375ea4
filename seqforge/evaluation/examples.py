"""The loss and the metrics of labelled examples."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data import LabelledDataset, PaddedBatch, decode_target, evaluation_examples
from seqforge.errors import NonFiniteError
from seqforge.evaluation.metrics import scores_of_each, validated_score
from seqforge.events import Report, WorkProgressed
from seqforge.generation import Decoding, TargetVocabulary, predict_examples
from seqforge.interfaces import Evaluated, ExamplePrediction, ExampleSpec, Loss, PredictionMetric, Value
from seqforge.model import DecoderContext, EncoderOutput, SequenceModel


@dataclass(frozen=True, slots=True)
class ExampleScore:
    """Score of a model on labelled examples.

    Attributes:
        loss: Mean loss per target, by the loss that the run is trained with.
        examples: Number of examples scored.
        metrics: Values of the metrics by `metric.value`.
        reports: Reports of the metrics, such as a confusion matrix, by metric.
    """

    loss: float
    examples: int
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    reports: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def size(self) -> str:
        """The number of examples scored, with its unit."""
        return f"{self.examples:,} examples"

    def record(self) -> dict[str, object]:
        """Return the values and reports as a record for JSON."""
        return {"loss": self.loss, "examples": self.examples, **self.metrics, "reports": dict(self.reports)}

    def lines(self) -> Iterator[str]:
        """Yield the values and reports as lines of text."""
        values = {"loss": self.loss, **self.metrics}
        width = max(map(len, values))
        for name, value in values.items():
            yield f"  {name:<{width}}  {value:.4f}"
        for name, report in self.reports.items():
            yield f"\n{name}\n{report}"

    def event(self, step: int, *, best: bool) -> Evaluated:
        """Return the event for callbacks."""
        return Evaluated(step, self.loss, None, None, best, self.metrics)


@dataclass(frozen=True, slots=True)
class ExampleScoring:
    """Settings by which examples are scored.

    Attributes:
        loss: The loss, on the model's device.
        metrics: Metrics of predictions by name.
        decoding: Options of decoding.
        rows: Maximum number of examples in a batch.
        tokens: Maximum number of steps in a batch.
        limit: Maximum number of steps to score; None for all.
    """

    loss: Loss
    metrics: Mapping[str, PredictionMetric]
    decoding: Decoding
    rows: int
    tokens: int
    limit: int | None = None


def score_examples(
    model: SequenceModel,
    dataset: LabelledDataset,
    examples: NDArray[np.int64],
    scoring: ExampleScoring,
    report: Report | None = None,
) -> ExampleScore:
    """Predict examples and score the predictions. The model is left in evaluation mode.

    Raises:
        NonFiniteError: If the loss is not finite.
    """
    file, device = dataset.file, next(model.parameters()).device
    total, counted, scored, steps = 0.0, 0, 0, 0
    predictions: list[ExamplePrediction] = []
    symbols = TargetVocabulary(file.spec, dataset.vocabulary)
    end = symbols.end if model.decoder is not None else None
    model.eval()
    with torch.inference_mode():
        for indices, loaded in evaluation_examples(file, examples, scoring.rows, scoring.tokens, end, scoring.limit):
            batch = loaded.to(device)
            encoded = model.encode(batch.inputs, batch.lengths)
            value = example_loss(model, file.spec, encoded, batch, scoring.loss).item()
            if not math.isfinite(value):
                raise NonFiniteError(f"the loss on held-out examples is {value}")
            total += value * batch.target_count
            counted += batch.target_count
            scored += len(indices)
            if scoring.metrics:
                found = predict_examples(model, file.spec, symbols, encoded, scoring.decoding)
                for index, prediction in zip(map(int, indices), found, strict=True):
                    predicted = decode_target(file.spec, dataset.vocabulary, prediction.values)
                    predictions.append(ExamplePrediction(file.names[index], predicted, right_targets(dataset, index)))
            if report is not None:
                steps += int(batch.lengths.sum())
                fraction = max(scored / len(examples), steps / scoring.limit if scoring.limit else 0.0)
                report(WorkProgressed("evaluating", min(fraction, 1.0)))
    figures, reports = _figures(dataset, predictions, scoring.metrics)
    return ExampleScore(total / max(counted, 1), scored, figures, reports)


def right_targets(dataset: LabelledDataset, example: int) -> tuple[Value, ...]:
    """Return the right targets of an example, as values of the example spec."""
    file = dataset.file
    first = int(file.first_targets(np.array([example]))[0])
    places = range(first, int(file.target_stops[example]))
    return tuple(decode_target(file.spec, dataset.vocabulary, values) for values in file.targets.read(places))


def _figures(
    dataset: LabelledDataset, predictions: list[ExamplePrediction], metrics: Mapping[str, PredictionMetric]
) -> tuple[dict[str, float], dict[str, str]]:
    figures: dict[str, float] = {}
    reports: dict[str, str] = {}
    for name, score in scores_of_each(
        metrics, lambda metric: validated_score(metric.score(dataset.file.spec, predictions))
    ):
        figures |= {f"{name}.{key}": value for key, value in score.values.items()}
        if score.report:
            reports[name] = score.report
    return figures, reports


def example_loss(
    model: SequenceModel,
    spec: ExampleSpec,
    encoded: EncoderOutput,
    batch: PaddedBatch,
    loss: Loss,
    sampled: float = 0.0,
) -> Float[Tensor, ""]:
    """Return the loss of a batch of examples, averaged over all targets that are not padding.

    `sampled` is the probability that the decoder reads a symbol that it drew, instead of the right one.
    """
    if model.decoder is not None:
        return loss(_decode(model, model.decoder_context(encoded), batch.targets, sampled), batch.targets)
    if spec.output_mode == "once":
        return loss(model.predict_once(encoded), batch.targets)
    outputs = model.predict_each_step(encoded)
    return loss(_blank_after_ends(outputs, batch.lengths) if loss.aligns else outputs, batch.targets)


def _decode(
    model: SequenceModel, decoder_context: DecoderContext, targets: Int[Tensor, "steps batch"], sampled: float
) -> Float[Tensor, "steps batch symbols"]:
    """Decode with teacher forcing (Williams and Zipser 1989) or scheduled sampling (Bengio et al. 2015)."""
    end = model.head.out_features - 1
    # The first step reads the end symbol, as a start symbol. Padding reads it too, and is not counted.
    before = torch.cat([targets.new_full((1, targets.shape[1]), end), targets[:-1]])
    known = before.where(before >= 0, end)
    if not sampled:
        return model.decode(known, decoder_context)[0]
    # With scheduled sampling a step may read the draw of the one before, so the steps run one by one.
    # No gradient flows through a draw.
    states = model.decoder_states(targets.shape[1])
    outputs: list[Tensor] = []
    for step, symbols in enumerate(known.unbind(0)):
        if step:
            drawn = outputs[-1].detach().float().softmax(-1).multinomial(1).squeeze(1)
            replaced = torch.rand(len(symbols), device=symbols.device) < sampled
            symbols = drawn.where(replaced, symbols)
        logits, states = model.decode(symbols.unsqueeze(0), decoder_context, states)
        outputs.append(logits[0])
    return torch.stack(outputs)


def _blank_after_ends(
    outputs: Float[Tensor, "time batch symbols"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "time batch symbols"]:
    """Make the blank certain on every step of padding, so that the loss is that of the row without padding."""
    padding = torch.arange(len(outputs), device=lengths.device).unsqueeze(1) >= lengths
    # Minus infinity, and not a low logit: a target that is too long for the row must not be aligned with the padding.
    blank = torch.full_like(outputs[0, 0], -torch.inf)
    blank[-1] = 0
    return torch.where(padding.unsqueeze(-1), blank, outputs)
