"""The minimal LSTM."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional

from seqforge_parallel_cells.linear_cell import LinearCell, positive


class MinLSTM(LinearCell):
    """The minLSTM (Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201), with its log-space version's g.

    h' = f/(f + i) ⊙ h + i/(f + i) ⊙ g(W_h x + b_h), where f = σ(W_f x + b_f) and i = σ(W_i x + b_i). Gates come in the
    order input, forget, candidate (i, f, h).

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the state, which is also the output.

    Attributes:
        input_weight: `[3·hidden, input]`.
        bias: `[3·hidden]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size, gates=3)

    def coefficients(
        self, gates: Float[Tensor, "time batch gates"]
    ) -> tuple[Float[Tensor, "time batch hidden"], Float[Tensor, "time batch hidden"]]:
        """Turn the product into the recurrence's coefficients.

        Args:
            gates: W x + b for every step.

        Returns:
            f/(f + i) and i/(f + i) ⊙ g(candidate).
        """
        input_gate, forget_gate, candidate = gates.chunk(3, dim=-1)
        # i/(f + i) = σ(ln i - ln f), which is right where f and i both underflow. The two shares make 1.
        share = torch.sigmoid(functional.logsigmoid(input_gate) - functional.logsigmoid(forget_gate))
        return 1 - share, share * positive(candidate)
