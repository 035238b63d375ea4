"""The Python API: train, resume, sample, evaluate and inspect runs."""

from seqforge.api.inspect import Inspection, SymbolProbability
from seqforge.api.launch import resume, train
from seqforge.api.run import Run
from seqforge.api.session_corpora import examples, texts
from seqforge.generation import Prediction

__all__ = ["Inspection", "Prediction", "Run", "SymbolProbability", "examples", "resume", "texts", "train"]
