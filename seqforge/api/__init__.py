"""The Python API: train and resume runs, and sample, evaluate and inspect them."""

from seqforge.api.inspect import Inspection, inspect
from seqforge.api.launch import resume, train
from seqforge.api.predict import Prediction
from seqforge.api.run import Run

__all__ = ["Inspection", "Prediction", "Run", "inspect", "resume", "train"]
