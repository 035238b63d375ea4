"""Additive and multiplicative attention of a decoder over the encoder outputs."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from seqforge.kinds import Attention


class Additive(Attention):
    """Attention with the score v · tanh(W q + b + U m) of a query q and an encoder output m.

    Bahdanau et al. 2015, "Neural Machine Translation by Jointly Learning to Align and Translate".
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        size: Annotated[PositiveInt, Field(description="Hidden units of the scoring network.")] = 128,
    ) -> None:
        super().__init__(query_size, memory_size)
        self.query = nn.Linear(query_size, size)
        self.memory = nn.Linear(memory_size, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)

    def project(self, memory: Float[Tensor, "source batch memory"]) -> Float[Tensor, "source batch units"]:
        """Compute U m once for all queries."""
        return self.memory(memory)

    def score(
        self, queries: Float[Tensor, "target batch query"], projected: Float[Tensor, "source batch units"]
    ) -> Float[Tensor, "batch target source"]:
        """Return the score of every encoder step for every decoder step."""
        # [batch, target, 1, units] + [batch, 1, source, units]: every decoder step with every encoder step.
        hidden = self.query(queries).transpose(0, 1).unsqueeze(2) + projected.transpose(0, 1).unsqueeze(1)
        return self.energy(torch.tanh(hidden)).squeeze(-1)


class Multiplicative(Attention):
    """Attention with the score q · W m of a query q and an encoder output m.

    Luong et al. 2015, "Effective Approaches to Attention-based Neural Machine Translation", call this score "general".
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.memory = nn.Linear(memory_size, query_size, bias=False)

    def project(self, memory: Float[Tensor, "source batch memory"]) -> Float[Tensor, "source batch query"]:
        """Compute W m once for all queries."""
        return self.memory(memory)

    def score(
        self, queries: Float[Tensor, "target batch query"], projected: Float[Tensor, "source batch query"]
    ) -> Float[Tensor, "batch target source"]:
        """Return the score of every encoder step for every decoder step."""
        return torch.einsum("tbq,sbq->bts", queries, projected)
