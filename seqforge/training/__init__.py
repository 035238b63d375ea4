"""Training: the loop, the optimizer step, and the callbacks that receive events."""

from seqforge.training.step import StepResult, train_step

__all__ = ["StepResult", "train_step"]
