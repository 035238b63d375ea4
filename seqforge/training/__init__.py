"""Training: the loop, its steps, and the callbacks that receive its events."""

from seqforge.training.step import StepResult, train_step

__all__ = ["StepResult", "train_step"]
