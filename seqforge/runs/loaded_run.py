"""A run with the model of one of its checkpoints."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from seqforge.data.dataset import Dataset, LabelledDataset, prepare, prepare_examples
from seqforge.data.encoding import read_vocabulary
from seqforge.data.example_file import EXAMPLE_SPEC, ExampleSpecRecord
from seqforge.data.token_file import VOCABULARY
from seqforge.errors import RunError, SeqforgeError, did_you_mean, quote_path, warn
from seqforge.events import Report, no_report
from seqforge.experiment.experiment import Experiment
from seqforge.hardware import choose_device
from seqforge.kinds import ExampleSpec, Vocabulary
from seqforge.model.build import build_model
from seqforge.model.choose_backend import use_recorded_backends
from seqforge.model.precision import Precision
from seqforge.model.sequence_model import SequenceModel
from seqforge.runs.backends import read_backends
from seqforge.runs.checkpoint_files import check_corpus, load_model
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import read_history
from seqforge.runs.metrics_log import read_metrics


@dataclass(eq=False)
class LoadedRun:
    """A run with the model of one of its checkpoints. Each part is loaded once, when it is first used.

    Attributes:
        directory: The run directory.
        experiment: The experiment of the run.
        checkpoint: "best", "latest", a step, or "initial" for the weights before the first step.
        device: Device to load the model on, or "auto".
        precision: Precision of matrix products; None for that of the experiment.
        report: Function that receives the progress of long computations.
        notes: Reasons why parts of the run are not available, for the reader of a report.

    Raises:
        RunError: If there is no such precision.
    """

    directory: RunDirectory
    experiment: Experiment
    checkpoint: str | int = "best"
    device: str = "auto"
    precision: Precision | None = None
    report: Report = no_report
    notes: list[str] = field(default_factory=list[str], init=False)

    def __post_init__(self) -> None:
        known = get_args(Precision)
        if self.precision is not None and self.precision not in known:
            raise RunError(f"there is no precision {self.precision!r}", hint=did_you_mean(str(self.precision), known))

    @property
    def name(self) -> str:
        """The name of the run directory."""
        return self.path.absolute().name

    @property
    def path(self) -> Path:
        """The run directory, for messages."""
        return self.directory.path

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The records of the metrics log."""
        return read_metrics(self.directory.metrics)

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The records of the starts and ends of training."""
        return read_history(self.path)

    def refresh(self) -> None:
        """Read the log and the history again on their next use, since a run that trains extends them."""
        for name in ("records", "history"):
            self.__dict__.pop(name, None)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of the run."""
        vocabulary: Vocabulary = self.experiment.vocabulary.build()
        read_vocabulary(vocabulary, self.path / VOCABULARY)
        return vocabulary

    @cached_property
    def example_spec(self) -> ExampleSpec | None:
        """The shape of the examples that the run was trained on; None for a language model."""
        return ExampleSpecRecord.read(self.path / EXAMPLE_SPEC).spec if self.experiment.labelled else None

    @cached_property
    def model(self) -> SequenceModel:
        """The model of the checkpoint, in evaluation mode. The run may have been trained on any device.

        Raises:
            RunError: If there is no such checkpoint, or it is damaged.
        """
        device = choose_device(self.device)
        model = build_model(self.experiment, self.vocabulary.size, self.example_spec)
        if self.checkpoint != "initial":
            load_model(self._checkpoints.find(self.checkpoint), model)
        elif self.directory.initial.exists():
            load_model(self.directory.initial, model)
        model.precision = self.precision or model.precision
        model = model.to(device).eval()
        try:
            recorded = read_backends(self.path)
        except RunError as error:  # Without its backends, the model is slower, but computes the same.
            warn(f"{error.message}; all cells run in plain torch")
            return model
        # On another device, bfloat16 may have no instructions, so only float32 replaces `auto`.
        if model.precision == "auto" and recorded.precision == "float32":
            model.precision = "float32"
        use_recorded_backends(model, self.experiment.registry, recorded.cells)
        return model

    @cached_property
    def dataset(self) -> Dataset:
        """The encoded text of a language model.

        Raises:
            DataError: If the corpus is missing.
            RunError: If the run was trained on another corpus.
        """
        dataset = prepare(self.experiment, self.report)
        self._check_corpus(dataset.token_file.digest)
        return dataset

    @cached_property
    def available_dataset(self) -> Dataset | None:
        """The encoded text of a language model; None, with a note, if the corpus is not available or has changed."""
        if self.experiment.labelled:
            return None
        try:
            return self.dataset
        except SeqforgeError as error:
            self.notes.append(f"The corpus is not available, so the report shows less: {error.message}.")
            return None

    @cached_property
    def labelled_dataset(self) -> LabelledDataset:
        """The encoded examples of a run that was trained on labelled examples. The errors are those of `dataset`."""
        dataset = prepare_examples(self.experiment, self.report)
        self._check_corpus(dataset.file.digest)
        return dataset

    def language_model(self) -> tuple[SequenceModel, Vocabulary]:
        """Return the language model, in evaluation mode, and its vocabulary.

        Raises:
            RunError: If the run was trained on labelled examples.
        """
        if self.experiment.labelled:
            raise RunError(
                f"{self.path}: the model was trained on labelled examples; only language models can be sampled and "
                "inspected",
                hint=f"To predict examples: seqforge predict {quote_path(self.path)} EXAMPLE",
            )
        return self.model, self.vocabulary

    def require_examples(self) -> ExampleSpec:
        """Return the shape of the examples that the run was trained on.

        Raises:
            RunError: If the run is a language model.
        """
        if self.example_spec is None:
            raise RunError(
                f"{self.path}: the run is a language model, which cannot predict the targets of examples",
                hint=f"To draw samples: seqforge sample {quote_path(self.path)}",
            )
        return self.example_spec

    def _check_corpus(self, digest: str) -> None:
        if self._checkpoints.steps():
            check_corpus(self._checkpoints.find("latest" if self.checkpoint == "initial" else self.checkpoint), digest)

    @property
    def _checkpoints(self) -> Checkpoints:
        return Checkpoints(self.directory.checkpoints)
