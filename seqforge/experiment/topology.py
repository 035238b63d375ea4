"""The five shapes of the post: what a model input_kind, and when it output_mode."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Topology:
    """One shape of sequence model.

    DecoderContext: Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks" (2015), first figure.

    Attributes:
        name: What an experiment calls it.
        input_kind: One vector, or a sequence of steps.
        output_mode: Once, on every step that is read, or a new sequence.
    """

    name: str
    input_kind: Literal["vector", "sequence"]
    output_mode: Literal["once", "every step", "sequence"]


TOPOLOGIES = {
    topology.name: topology
    for topology in (
        Topology("one-to-one", input_kind="vector", output_mode="once"),
        Topology("one-to-many", input_kind="vector", output_mode="sequence"),
        Topology("many-to-one", input_kind="sequence", output_mode="once"),
        Topology("many-to-many", input_kind="sequence", output_mode="sequence"),
        Topology("synced", input_kind="sequence", output_mode="every step"),
    )
}
