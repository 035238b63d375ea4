"""The Python API: train, resume, sample, evaluate, compare, inspect and export runs."""

from seqforge.api.compare import ComparisonTable, compare
from seqforge.api.export import export
from seqforge.api.run import Run
from seqforge.api.session_corpora import examples, texts
from seqforge.api.train import train
from seqforge.generation.predictions import Prediction
from seqforge.report.inspection import Inspection, SymbolProbability

__all__ = [
    "ComparisonTable",
    "Inspection",
    "Prediction",
    "Run",
    "SymbolProbability",
    "compare",
    "examples",
    "export",
    "texts",
    "train",
]
