"""Training: the loop and its steps."""

from seqforge.training.step import StepResult, train_step

__all__ = ["StepResult", "train_step"]
