"""Attention: a weighted average of the encoder outputs for each step of a decoder."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["Attention"]


class Attention(nn.Module, ABC):
    """A weighted average of the encoder outputs for every decoder step (Bahdanau et al. 2015).

    A subclass implements `score`. It may override `project` to compute once what does not depend on the queries. Its
    `__init__` receives `query_size` and `memory_size` from the engine; its other arguments are options.

    In shapes, `source` is the number of encoder steps and `target` the number of decoder steps.

    Attributes:
        query_size: Number of features of a query, the output of the decoder on one step.
        memory_size: Number of features of the encoder output on one step.
    """

    query_size: int
    memory_size: int

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query_size = query_size
        self.memory_size = memory_size

    def project(self, memory: Float[Tensor, "source batch memory"]) -> Float[Tensor, "source batch projected"]:
        """Return the encoder outputs as `score` takes them, computed once per sequence; by default, unchanged."""
        return memory

    @abstractmethod
    def score(
        self, queries: Float[Tensor, "target batch query"], projected: Float[Tensor, "source batch projected"]
    ) -> Float[Tensor, "batch target source"]:
        """Return the score of every encoder step for every decoder step. Decoder steps must not affect each other.

        Args:
            queries: Decoder outputs of every step.
            projected: Result of `project`.

        Returns:
            Scores, which a softmax over `source` turns into weights.
        """

    def forward(
        self,
        queries: Float[Tensor, "target batch query"],
        memory: Float[Tensor, "source batch memory"],
        projected: Float[Tensor, "source batch projected"],
        lengths: Int[Tensor, " batch"],
    ) -> tuple[Float[Tensor, "target batch memory"], Float[Tensor, "batch target source"]]:
        """Return a weighted average of the encoder outputs for every decoder step, and the weights.

        Encoder steps from `lengths` on are padding and have weight 0. `projected` is the result of `project`.
        """
        padding = torch.arange(memory.shape[0], device=lengths.device) >= lengths.unsqueeze(1)
        weights = self.score(queries, projected).masked_fill(padding.unsqueeze(1), -torch.inf).softmax(-1)
        return torch.einsum("bts,sbm->tbm", weights.to(memory.dtype), memory), weights
