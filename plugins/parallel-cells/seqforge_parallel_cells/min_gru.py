"""The minimal GRU."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge_parallel_cells.linear_cell import LinearCell, positive


class MinGRU(LinearCell):
    """The minGRU (Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201), with its log-space version's g.

    h' = (1 - z) ⊙ h + z ⊙ g(W_h x + b_h), where z = σ(W_z x + b_z). Gates come in the order update, candidate (z, h).

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the state, which is also the output.

    Attributes:
        input_weight: `[2·hidden, input]`.
        bias: `[2·hidden]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size, gates=2)

    def coefficients(
        self, gates: Float[Tensor, "time batch gates"]
    ) -> tuple[Float[Tensor, "time batch hidden"], Float[Tensor, "time batch hidden"]]:
        """Turn the product into the recurrence's coefficients.

        Args:
            gates: W x + b for every step.

        Returns:
            1 - z and z ⊙ g(candidate).
        """
        update, candidate = gates.chunk(2, dim=-1)
        z = torch.sigmoid(update)
        return 1 - z, z * positive(candidate)
