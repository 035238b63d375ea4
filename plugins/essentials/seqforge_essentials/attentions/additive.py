"""Additive attention."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from seqforge.interfaces import Attention


class Additive(Attention):
    """Scores by a small network: v · tanh(W q + U m).

    Bahdanau et al. 2015, "Neural Machine Translation by Jointly Learning to Align and Translate".

    Args:
        query_size: Features of a step that is written.
        memory_size: Features of a step that was read.
        size: Units of the network.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        size: Annotated[PositiveInt, Field(description="Units of the scoring network.")] = 128,
    ) -> None:
        super().__init__(query_size, memory_size)
        self.query = nn.Linear(query_size, size)
        self.memory = nn.Linear(memory_size, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)

    def project(self, memory: Float[Tensor, "read batch memory"]) -> Float[Tensor, "read batch units"]:
        """Compute U m, once for all queries.

        Args:
            memory: What the reader wrote on every step.
        """
        return self.memory(memory)

    def score(
        self, queries: Float[Tensor, "written batch query"], projected: Float[Tensor, "read batch units"]
    ) -> Float[Tensor, "batch written read"]:
        """Score every step that was read for every step that is written.

        Args:
            queries: What the writer's layers wrote.
            projected: Of `project`.
        """
        # [batch, written, 1, units] + [batch, 1, read, units]
        together = self.query(queries).transpose(0, 1).unsqueeze(2) + projected.transpose(0, 1).unsqueeze(1)
        return self.energy(torch.tanh(together)).squeeze(-1)
