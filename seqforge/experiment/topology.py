"""The five shapes of the post: what a model reads, and when it writes."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Topology:
    """One shape of sequence model.

    Source: Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks" (2015), first figure.

    Attributes:
        name: What an experiment calls it.
        reads: One vector, or a sequence of steps.
        writes: Once, on every step that is read, or a new sequence.
    """

    name: str
    reads: Literal["vector", "sequence"]
    writes: Literal["once", "every step", "sequence"]


TOPOLOGIES = {
    topology.name: topology
    for topology in (
        Topology("one-to-one", reads="vector", writes="once"),
        Topology("one-to-many", reads="vector", writes="sequence"),
        Topology("many-to-one", reads="sequence", writes="once"),
        Topology("many-to-many", reads="sequence", writes="sequence"),
        Topology("synced", reads="sequence", writes="every step"),
    )
}
