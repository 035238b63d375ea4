"""Tasks: language models and labelled examples. Only this folder distinguishes them."""

from seqforge.experiment import Experiment
from seqforge.tasks.labelled_examples import LabelledExamplesTask
from seqforge.tasks.language_model import LanguageModelTask
from seqforge.tasks.task import Task, TrainedModel

__all__ = ["Task", "TrainedModel", "task_of"]


def task_of(experiment: Experiment) -> Task:
    """Return the task of an experiment."""
    return LabelledExamplesTask(experiment) if experiment.labelled else LanguageModelTask(experiment)
