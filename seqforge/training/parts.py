"""What the training loop uses beside the model, built before anything is written."""

from dataclasses import dataclass

import torch

from seqforge.data import Dataset, TrainingBatches
from seqforge.errors import DataError
from seqforge.experiment import Experiment
from seqforge.generation import encode_prompt
from seqforge.interfaces import Loss, Metric, Sampler
from seqforge.training.control import score_control
from seqforge.training.samples import build_metrics


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a run.

    Attributes:
        loss: On the model's device.
        samplers: The chain.
        metrics: By name.
        control: What the metrics say of held-out text.
        batches: The training split.
    """

    loss: Loss
    samplers: list[Sampler]
    metrics: dict[str, Metric]
    control: dict[str, float]
    batches: TrainingBatches


def build_parts(experiment: Experiment, dataset: Dataset, device: torch.device) -> Parts:
    """Build them, and refuse what would fail only later.

    Args:
        experiment: Names them.
        dataset: What is trained on.
        device: Where the model is.

    Raises:
        DataError: Where the training split is shorter than one batch, or the samples' prompt cannot be encoded.
    """
    try:
        encode_prompt(dataset.vocabulary, experiment.sampling.prompt)
    except DataError as error:
        raise DataError(f"sampling.prompt: {error.message}", hint=error.hint) from error
    metrics = build_metrics(experiment, dataset)
    return Parts(
        loss=experiment.loss.build().to(device),
        samplers=[sampler.build() for sampler in experiment.samplers],
        metrics=metrics,
        control=score_control(metrics, experiment, dataset),
        batches=_training_batches(experiment, dataset),
    )


def _training_batches(experiment: Experiment, dataset: Dataset) -> TrainingBatches:
    """Cut the training split into batches as an experiment wants them.

    Args:
        experiment: Gives sizes, seed and order.
        dataset: Gives the split.

    Raises:
        DataError: Where the split is shorter than one batch.
    """
    training = experiment.training
    return TrainingBatches(
        dataset.token_file,
        dataset.splits["training"],
        lanes=training.batch_size * training.accumulation,
        sequence_length=training.sequence_length,
        seed=experiment.identity.seed,
        shuffle=experiment.data.shuffle,
    )
