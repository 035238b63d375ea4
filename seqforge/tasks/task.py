"""A task: what differs between a language model and a model for labelled examples."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch

from seqforge.data import SplitName, read_vocabulary
from seqforge.distribution import ALONE, World
from seqforge.errors import DataError, ExperimentError, RunError, warn
from seqforge.evaluation.bootstrap import BlockLosses
from seqforge.evaluation.examples import ExampleScore
from seqforge.evaluation.likelihood import LikelihoodScore
from seqforge.evaluation.metrics import TextScores
from seqforge.events import Report, Units
from seqforge.experiment import Experiment
from seqforge.generation import Decoding, Predictor
from seqforge.hardware.devices import choose_device
from seqforge.kinds import ExampleSpec, Vocabulary
from seqforge.model import Precision, SequenceModel, build_model, use_recorded_backends
from seqforge.model.precision import check_precision
from seqforge.registry import Component
from seqforge.runs.backends import read_backends
from seqforge.runs.checkpoint_files import check_corpus, load_model
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.training.task import TrainingTask


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A checkpoint of a run, with the device and the precision to load it in.

    Attributes:
        directory: The run directory.
        checkpoint: "best", "latest", a step, or "initial" for the weights before the first step.
        device: Device to load the model on, or "auto".
        precision: Precision of matrix products; None for that of the experiment.

    Raises:
        RunError: If there is no such precision.
    """

    directory: RunDirectory
    checkpoint: str | int = "best"
    device: str = "auto"
    precision: Precision | None = None

    def __post_init__(self) -> None:
        if self.precision is not None:
            check_precision(self.precision)

    @property
    def path(self) -> Path:
        """The run directory, for messages."""
        return self.directory.path

    def check_corpus(self, digest: str) -> None:
        """Check that the run was trained on the corpus with a digest.

        Raises:
            RunError: If the digest differs.
        """
        trained = "latest" if self.checkpoint == "initial" else self.checkpoint
        check_corpus(Checkpoints(self.directory.checkpoints).find(trained), digest)


@dataclass(frozen=True, slots=True)
class Task(ABC):
    """The kind of model that an experiment trains: a language model, or a model for labelled examples.

    A task is cheap to create. It reads the corpus only to train and to evaluate.

    Attributes:
        terms: Words for what the task counts and shows.
        experiment: The experiment.
    """

    terms: ClassVar[Units]
    experiment: Experiment

    @abstractmethod
    def prepare_training(self, device: torch.device, report: Report, world: World = ALONE) -> TrainingTask:
        """Prepare the corpus, the loss and the metrics for training, and check them.

        Args:
            device: Device to train on.
            report: Function that receives the progress.
            world: The processes that train together. Each prepares its part of every batch.

        Raises:
            DataError: If the corpus is missing, empty or does not fit the batches.
            ExperimentError: If a batch cannot be divided over the processes.
        """

    @abstractmethod
    def evaluate(
        self, trained: TrainedModel, split: SplitName, report: Report, dynamic: float | None = None
    ) -> LikelihoodScore | ExampleScore:
        """Score a whole split.

        Args:
            trained: The model.
            split: The split.
            report: Function that receives the progress.
            dynamic: Learning rate of dynamic evaluation, for a language model; None for fixed weights.

        Raises:
            DataError: If there is no such split, if it is empty, or if the corpus is missing.
            RunError: If the run was trained on another corpus, or if it cannot be evaluated dynamically.
        """

    @abstractmethod
    def block_losses(self, trained: TrainedModel, split: SplitName, report: Report) -> BlockLosses:
        """Score the blocks of a split, for bootstrap intervals. The errors are those of `evaluate`."""

    @abstractmethod
    def score_samples(
        self, trained: TrainedModel, chains: Sequence[Sequence[Component]], seed: int, report: Report
    ) -> tuple[list[TextScores], TextScores]:
        """Draw samples with the `[sampling]` settings, and score them and held-out text by the metrics of samples.

        Args:
            trained: The model.
            chains: Chains of samplers, each of which draws the samples of one result.
            seed: Seed of the draws.
            report: Function that receives the progress.

        Returns:
            Values of the samples of each chain, and the baseline; all are empty if there is no metric of samples.
        """

    @abstractmethod
    def language_model(self, trained: TrainedModel) -> tuple[SequenceModel, Vocabulary]:
        """Load a language model, in evaluation mode, and its vocabulary.

        Raises:
            RunError: If the run was trained on labelled examples.
        """

    @abstractmethod
    def predictor(self, trained: TrainedModel, decoding: Decoding) -> Predictor:
        """Load the model, and return a predictor of the targets of new examples.

        Raises:
            RunError: If the run is a language model.
        """

    @abstractmethod
    def example_spec(self, directory: RunDirectory) -> ExampleSpec | None:
        """Return the shape of the examples that a run was trained on; None for a language model."""

    def vocabulary(self, directory: RunDirectory) -> Vocabulary:
        """Return the vocabulary of a run."""
        vocabulary: Vocabulary = self.experiment.vocabulary.build()
        read_vocabulary(vocabulary, directory.vocabulary)
        return vocabulary

    def load_model(self, trained: TrainedModel) -> SequenceModel:
        """Load a model, in evaluation mode, from a run that was trained on any device.

        Raises:
            RunError: If there is no such checkpoint, or it is damaged.
        """
        device, directory = choose_device(trained.device), trained.directory
        model = build_model(self.experiment, self.vocabulary(directory).size, self.example_spec(directory))
        if trained.checkpoint != "initial":
            load_model(Checkpoints(directory.checkpoints).find(trained.checkpoint), model)
        elif directory.initial.exists():
            load_model(directory.initial, model)
        model.precision = trained.precision or model.precision
        model = model.to(device).eval()
        try:
            recorded = read_backends(directory.path)
        except RunError as error:  # Without its backends, the model is slower, but computes the same.
            warn(f"{error.message}; all cells run in plain torch")
            return model
        # On another device, bfloat16 may have no instructions, so only float32 replaces `auto`.
        if model.precision == "auto" and recorded.precision == "float32":
            model.precision = "float32"
        use_recorded_backends(model, self.experiment.registry, recorded.cells)
        return model

    def decoding(self, **options: object) -> Decoding:
        """Build the decoding options from the `[prediction]` section; `options` that are not None override them."""
        settings = self.experiment.prediction
        default = Decoding(settings.beam, settings.length_normalization, settings.length)
        return replace(default, **{name: value for name, value in options.items() if value is not None})

    def check_patience(self, *, has_validation: bool) -> None:
        """Check that there is a validation split if `training.patience` needs one.

        Raises:
            DataError: If there is none.
        """
        if self.experiment.training.patience is not None and not has_validation:
            empty = self.empty_split("validation")
            raise DataError(f"training.patience needs evaluations, but {empty.message}", hint=empty.hint)

    def empty_split(self, split: SplitName) -> DataError:
        """Return the error for an empty split."""
        data = self.experiment.data
        fractions = {"training": 1.0, "validation": data.validation_fraction, "test": data.test_fraction}
        if fractions[split] > 0:
            hint = f"The corpus is too small to be split by {data.split} with the fractions in [data]."
        else:
            hint = f"The experiment sets data.{split}_fraction to 0."
        return DataError(f"the {split} split is empty", hint=hint)


def check_division(rows: int, world: World) -> None:
    """Check that the rows of a batch can be divided over the processes.

    Raises:
        ExperimentError: If the processes would have different numbers of rows.
    """
    if rows % world.size:
        fitting = sorted({max(world.size, rows // world.size * world.size), -(-rows // world.size) * world.size})
        raise ExperimentError(
            f"training.batch_size = {rows} cannot be divided by {world.size} processes",
            hint=f"Use {' or '.join(map(str, fitting))}, or another number of processes.",
        )
