"""The model: input layer, stack of cells, head."""

from seqforge.model.build import build_model, written_at_once
from seqforge.model.decoder import Source, Writer
from seqforge.model.encoder_output import Reading
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput, VectorInput
from seqforge.model.precision import Precision, products_in
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack, States

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
    "products_in",
    "written_at_once",
]
