"""The Python API: train, resume, sample, evaluate and inspect runs."""

from seqforge.api.launch import resume, train
from seqforge.api.run import Run
from seqforge.api.session_corpora import examples, texts
from seqforge.generation import Prediction
from seqforge.report.inspection import Inspection, SymbolProbability

__all__ = ["Inspection", "Prediction", "Run", "SymbolProbability", "examples", "resume", "texts", "train"]
