"""Several processes that train one model: which of them this is, and the collective operations that training needs."""

from seqforge.distribution.join import join_world
from seqforge.distribution.launch import Launch
from seqforge.distribution.replica import Replica
from seqforge.distribution.world import ALONE, FailedElsewhereError, LostProcessError, World, detected_losses

__all__ = [
    "ALONE",
    "FailedElsewhereError",
    "Launch",
    "LostProcessError",
    "Replica",
    "World",
    "detected_losses",
    "join_world",
]
