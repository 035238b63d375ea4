"""The model: input layer, stack of cells, head, and the choice of backends."""

from seqforge.model.build import build_model, output_size
from seqforge.model.choose_backend import (
    CellBackend,
    RecordedBackends,
    choose_backends,
    measure_cells,
    use_recorded_backends,
)
from seqforge.model.encoder_output import EncoderOutput
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput, VectorInput
from seqforge.model.install_backend import install_backend, load_backend, load_backends
from seqforge.model.measure_backends import EAGER, Workload
from seqforge.model.precision import Precision, precisions_to_measure, products_in
from seqforge.model.sequence_model import Decoder, DecoderContext, RecurrentStack, SequenceModel, States

__all__ = [
    "EAGER",
    "CellBackend",
    "Decoder",
    "DecoderContext",
    "EmbeddingInput",
    "EncoderOutput",
    "OneHotInput",
    "Precision",
    "RecordedBackends",
    "RecurrentStack",
    "SequenceModel",
    "States",
    "SymbolInput",
    "VectorInput",
    "Workload",
    "build_model",
    "choose_backends",
    "install_backend",
    "load_backend",
    "load_backends",
    "measure_cells",
    "output_size",
    "precisions_to_measure",
    "products_in",
    "use_recorded_backends",
]
