"""Checkpoints: the training state and its files."""

from seqforge.checkpoints.checkpoints import Checkpoints
from seqforge.checkpoints.files import load_model
from seqforge.checkpoints.training_state import TrainingState, initial_state

__all__ = ["Checkpoints", "TrainingState", "initial_state", "load_model"]
