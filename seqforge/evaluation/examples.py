"""Scoring held-out examples: the loss, and what metrics say of the answers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from seqforge.data import LabelledDataset, decode_target, evaluation_examples
from seqforge.errors import NonFiniteError
from seqforge.evaluation.example_loss import example_loss
from seqforge.evaluation.samples import scores_of_each, validated_score
from seqforge.generation import Decoding, TargetVocabulary, predict_examples
from seqforge.interfaces import Evaluated, ExamplePrediction, Loss, PredictionMetric, Value
from seqforge.model import SequenceModel


@dataclass(frozen=True, slots=True)
class ExampleScore:
    """How well a model answers.

    Attributes:
        loss: Mean a target, by the loss that the run is trained with.
        examples: Examples scored.
        figures: Of the metrics, as `metric.value`.
        reports: What metrics have to say beside figures, by metric.
    """

    loss: float
    examples: int
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    reports: Mapping[str, str] = field(default_factory=dict[str, str])

    def event(self, step: int, *, best: bool) -> Evaluated:
        """Say it to those who watch.

        Args:
            step: Optimizer steps done.
            best: Whether the loss is the lowest of the run so far.
        """
        return Evaluated(step, self.loss, None, None, best, self.figures)


@dataclass(frozen=True, slots=True)
class ExampleScoring:
    """How examples are scored.

    Attributes:
        loss: On the model's device.
        metrics: By name.
        decoding: How sequences are written.
        rows: Examples of a batch at most.
        tokens: Steps of a batch at most.
        limit: Steps scored at most; None for all.
    """

    loss: Loss
    metrics: Mapping[str, PredictionMetric]
    decoding: Decoding
    rows: int
    tokens: int
    limit: int | None = None


def score_examples(
    model: SequenceModel, dataset: LabelledDataset, examples: NDArray[np.int64], example_scoring: ExampleScoring
) -> ExampleScore:
    """Let a model answer examples, and score the answers. The model is left in evaluation mode.

    Args:
        model: On any device.
        dataset: Holds the examples.
        examples: Which; at least one.
        example_scoring: How.

    Raises:
        NonFiniteError: Where the model gives no finite loss.
    """
    file, device = dataset.file, next(model.parameters()).device
    total, counted, scored = 0.0, 0, 0
    predictions: list[ExamplePrediction] = []
    symbols = TargetVocabulary(file.spec, dataset.vocabulary)
    end = symbols.end if model.decoder is not None else None
    model.eval()
    batches = evaluation_examples(
        file, examples, example_scoring.rows, example_scoring.tokens, end, example_scoring.limit
    )
    with torch.inference_mode():
        for indices, batch in batches:
            there = batch.to(device)
            encoded = model.encode(there.inputs, there.lengths)
            value = example_loss(model, file.spec, encoded, there, example_scoring.loss).item()
            if not math.isfinite(value):
                raise NonFiniteError(f"the loss on held-out examples is {value}")
            total += value * batch.counted
            counted += batch.counted
            scored += len(indices)
            if example_scoring.metrics:
                written = predict_examples(model, file.spec, symbols, encoded, example_scoring.decoding)
                for index, prediction in zip(map(int, indices), written, strict=True):
                    predicted = decode_target(file.spec, dataset.vocabulary, prediction.values)
                    predictions.append(ExamplePrediction(file.names[index], predicted, right_targets(dataset, index)))
    figures, reports = _figures(dataset, predictions, example_scoring.metrics)
    return ExampleScore(total / max(counted, 1), scored, figures, reports)


def right_targets(dataset: LabelledDataset, example: int) -> tuple[Value, ...]:
    """Give what is right for an example, in its form's terms.

    Args:
        dataset: Holds it.
        example: Its index.
    """
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
