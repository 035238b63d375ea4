"""The model: input layer, stack of cells, head."""

from seqforge.model.build import build_model, output_size
from seqforge.model.decoder import Decoder, DecoderContext
from seqforge.model.encoder_output import EncoderOutput
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput, VectorInput
from seqforge.model.precision import Precision, products_in
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack, States

__all__ = [
    "Decoder",
    "DecoderContext",
    "EmbeddingInput",
    "EncoderOutput",
    "OneHotInput",
    "Precision",
    "RecurrentStack",
    "SequenceModel",
    "States",
    "SymbolInput",
    "VectorInput",
    "build_model",
    "output_size",
    "products_in",
]
