"""Tasks: language models and labelled examples. Only this folder distinguishes them."""

from seqforge.experiment.experiment import Experiment
from seqforge.tasks.labelled_examples import LABELLED_EXAMPLES
from seqforge.tasks.language_model import LANGUAGE_MODEL
from seqforge.tasks.task import Task


def task_of(experiment: Experiment) -> Task:
    """Return the task of an experiment."""
    return LABELLED_EXAMPLES if experiment.labelled else LANGUAGE_MODEL
