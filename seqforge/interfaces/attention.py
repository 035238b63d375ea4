"""Attention: where a writer looks in what was read."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Attention(nn.Module, ABC):
    """Scores every step that was read by how much each step that is written has to do with it.

    A subclass writes `score`, and may hoist into `project` what does not depend on the query. An `__init__` takes
    `query_size` and `memory_size` from the engine; its other arguments are the component's options.

    Attributes:
        query_size: Features of a step that is written.
        memory_size: Features of a step that was read.
    """

    query_size: int
    memory_size: int

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query_size = query_size
        self.memory_size = memory_size

    def project(self, memory: Float[Tensor, "read batch memory"]) -> Float[Tensor, "read batch projected"]:
        """Compute what depends on no query, once for a whole sequence that is written; by default nothing.

        Args:
            memory: What the reader wrote on every step.

        Returns:
            What `score` is given.
        """
        return memory

    @abstractmethod
    def score(
        self, queries: Float[Tensor, "written batch query"], projected: Float[Tensor, "read batch projected"]
    ) -> Float[Tensor, "batch written read"]:
        """Score every step that was read for every step that is written, each by itself.

        Args:
            queries: What the writer's layers wrote.
            projected: Of `project`.

        Returns:
            The scores; a softmax over `read` makes weights of them.
        """

    def forward(
        self,
        queries: Float[Tensor, "written batch query"],
        memory: Float[Tensor, "read batch memory"],
        projected: Float[Tensor, "read batch projected"],
        lengths: Int[Tensor, " batch"],
    ) -> tuple[Float[Tensor, "written batch memory"], Float[Tensor, "batch written read"]]:
        """Average what was read, by weights over each row's own steps.

        Args:
            queries: What the writer's layers wrote.
            memory: What the reader wrote on every step.
            projected: The same after `project`.
            lengths: Steps of each row; those after them are padding, and weigh nothing.

        Returns:
            The averages and the weights.
        """
        padding = torch.arange(len(memory), device=lengths.device) >= lengths.unsqueeze(1)
        weights = self.score(queries, projected).masked_fill(padding.unsqueeze(1), -torch.inf).softmax(-1)
        return torch.einsum("bwr,rbm->wbm", weights.to(memory.dtype), memory), weights
