"""Multiplicative attention."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqforge.interfaces import Attention


class Multiplicative(Attention):
    """Scores by a product: q · W m, the "general" score of Luong et al. 2015.

    "Effective Approaches to Attention-based Neural Machine Translation".

    Args:
        query_size: Features of a step that is written.
        memory_size: Features of a step that was read.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.memory = nn.Linear(memory_size, query_size, bias=False)

    def project(self, memory: Float[Tensor, "read batch memory"]) -> Float[Tensor, "read batch query"]:
        """Compute W m, once for all queries.

        Args:
            memory: What the reader wrote on every step.
        """
        return self.memory(memory)

    def score(
        self, queries: Float[Tensor, "written batch query"], projected: Float[Tensor, "read batch query"]
    ) -> Float[Tensor, "batch written read"]:
        """Score every step that was read for every step that is written.

        Args:
            queries: What the writer's layers wrote.
            projected: Of `project`.
        """
        return torch.einsum("wbq,rbq->bwr", queries, projected)
