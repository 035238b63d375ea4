"""The model: input layer, stack of cells, head."""

from seqforge.model.build import build_model, written_at_once
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput, VectorInput
from seqforge.model.precision import Precision, multiplies_in_bfloat16, products_in
from seqforge.model.reading import Reading
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack, States
from seqforge.model.writer import Source, Writer

__all__ = [
    "EmbeddingInput",
    "OneHotInput",
    "Precision",
    "Reading",
    "RecurrentStack",
    "SequenceModel",
    "Source",
    "States",
    "SymbolInput",
    "VectorInput",
    "Writer",
    "build_model",
    "multiplies_in_bfloat16",
    "products_in",
    "written_at_once",
]
