"""The model: input layer, stack of cells, head, and the choice of backends."""

from seqforge.model.build import build_model
from seqforge.model.choose_backend import (
    CellBackend,
    RecordedBackends,
    choose_backends,
    measure_cells,
    use_recorded_backends,
)
from seqforge.model.input import OneHotInput
from seqforge.model.install_backend import install_backend, load_backend, load_backends
from seqforge.model.measure_backends import EAGER, BatchShape
from seqforge.model.precision import Precision, precisions_to_measure
from seqforge.model.recomputation import States, add_recomputed
from seqforge.model.sequence_model import DecoderContext, SequenceModel
from seqforge.model.stack import EncoderOutput, RecurrentStack, map_states

__all__ = [
    "EAGER",
    "BatchShape",
    "CellBackend",
    "DecoderContext",
    "EncoderOutput",
    "OneHotInput",
    "Precision",
    "RecordedBackends",
    "RecurrentStack",
    "SequenceModel",
    "States",
    "add_recomputed",
    "build_model",
    "choose_backends",
    "install_backend",
    "load_backend",
    "load_backends",
    "map_states",
    "measure_cells",
    "precisions_to_measure",
    "use_recorded_backends",
]
