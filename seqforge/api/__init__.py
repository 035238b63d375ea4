"""The Python API: train, resume, sample, evaluate, compare, inspect and export runs."""

from seqforge.api.compare import ComparisonTable, compare
from seqforge.api.export import export
from seqforge.api.export_format import export_format
from seqforge.api.run import Run
from seqforge.api.session_corpora import examples, texts
from seqforge.api.train import train
from seqforge.evaluation.exported import ExportCheck
from seqforge.generation.predictions import Prediction
from seqforge.report.inspection import Inspection, SymbolProbability

__all__ = [
    "ComparisonTable",
    "ExportCheck",
    "Inspection",
    "Prediction",
    "Run",
    "SymbolProbability",
    "compare",
    "examples",
    "export",
    "export_format",
    "texts",
    "train",
]
