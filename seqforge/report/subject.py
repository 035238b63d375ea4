"""What a report reads from one run: its records, its corpus and its model, each loaded once and only if needed."""

from functools import cached_property
from typing import Any

from seqforge.data import Dataset, prepare
from seqforge.errors import SeqforgeError
from seqforge.events import Report, no_report
from seqforge.experiment import Experiment
from seqforge.kinds import Vocabulary
from seqforge.model import SequenceModel
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import read_history
from seqforge.runs.metrics_log import read_metrics
from seqforge.tasks import Task, TrainedModel, task_of


class Subject:
    """A run that a report describes.

    Args:
        directory: The run directory.
        experiment: The experiment of the run.
        checkpoint: "best", "latest" or a step: the model that the report examines.
        device: Device that computes the examinations.
        report: Function that receives the progress.

    Attributes:
        notes: Reasons why parts of the report are missing, for the reader.
    """

    def __init__(
        self,
        directory: RunDirectory,
        experiment: Experiment,
        checkpoint: str | int = "best",
        device: str = "auto",
        report: Report = no_report,
    ) -> None:
        self.directory = directory
        self.experiment = experiment
        self.trained = TrainedModel(directory, checkpoint, device)
        self.report = report
        self.notes: list[str] = []

    @property
    def name(self) -> str:
        """The name of the run directory."""
        return self.directory.path.absolute().name

    @cached_property
    def task(self) -> Task:
        """The task of the run."""
        return task_of(self.experiment)

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The records of the metrics log."""
        return read_metrics(self.directory.metrics)

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The records of the starts and ends of training."""
        return read_history(self.directory.path)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of the run."""
        return self.task.vocabulary(self.directory)

    @cached_property
    def model(self) -> SequenceModel:
        """The model of the checkpoint, in evaluation mode.

        Raises:
            RunError: If there is no such checkpoint, or it is damaged.
        """
        return self.task.load_model(self.trained)

    @cached_property
    def dataset(self) -> Dataset | None:
        """The encoded text of a language model; None, with a note, if the corpus is not available or has changed."""
        if self.experiment.labelled:
            return None
        try:
            dataset = prepare(self.experiment, self.report)
            if self.directory.checkpoints.exists() and any(self.directory.checkpoints.iterdir()):
                self.trained.check_corpus(dataset.token_file.digest)
        except SeqforgeError as error:
            self.notes.append(f"The corpus is not available, so the report shows less: {error.message}.")
            return None
        return dataset

    def refresh(self) -> None:
        """Read the log and the history again on their next use, since a run that trains extends them."""
        for name in ("records", "history"):
            self.__dict__.pop(name, None)
