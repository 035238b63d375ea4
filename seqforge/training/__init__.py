"""Training: the loop, the optimizer step, and the callbacks that receive events."""

from seqforge.training.step import train_step

__all__ = ["train_step"]
