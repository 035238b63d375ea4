"""Several processes that train one model: which of them this is, and the collective operations that training needs."""

from seqforge.distribution.launch import Launch
from seqforge.distribution.replica import Replica
from seqforge.distribution.world import ALONE, FailedElsewhereError, World, join_world, reported_lost_processes

__all__ = [
    "ALONE",
    "FailedElsewhereError",
    "Launch",
    "Replica",
    "World",
    "join_world",
    "reported_lost_processes",
]
