"""Tasks: language models and labelled examples. Only this folder distinguishes them."""

from seqforge.experiment.experiment import Experiment
from seqforge.tasks.labelled_examples import LABELLED_EXAMPLES, decoding_options, load_predictor
from seqforge.tasks.language_model import LANGUAGE_MODEL, score_samples, text_losses
from seqforge.tasks.task import BatchLoss, SplitScore, StepBatches, Task, TaskSample, TrainingTask

__all__ = [
    "BatchLoss",
    "SplitScore",
    "StepBatches",
    "Task",
    "TaskSample",
    "TrainingTask",
    "decoding_options",
    "load_predictor",
    "score_samples",
    "task_of",
    "text_losses",
]


def task_of(experiment: Experiment) -> Task:
    """Return the task of an experiment."""
    return LABELLED_EXAMPLES if experiment.labelled else LANGUAGE_MODEL
