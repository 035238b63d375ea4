"""The model: input layer, stack of cells, head."""

from seqforge.model.build import build_model
from seqforge.model.input import EmbeddingInput, OneHotInput
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack, States

__all__ = ["EmbeddingInput", "OneHotInput", "RecurrentStack", "SequenceModel", "States", "build_model"]
