"""The model: input layer, stack of cells, head."""

from seqforge.model.build import build_model
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput
from seqforge.model.precision import Precision, multiplies_in_bfloat16, products_in
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack, States

__all__ = [
    "EmbeddingInput",
    "OneHotInput",
    "Precision",
    "RecurrentStack",
    "SequenceModel",
    "States",
    "SymbolInput",
    "build_model",
    "multiplies_in_bfloat16",
    "products_in",
]
