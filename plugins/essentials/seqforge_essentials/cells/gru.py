"""The gated recurrent unit, with either place of its reset gate."""

import math
from typing import Annotated, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from seqforge.interfaces import Cell


class GRUState(NamedTuple):
    """A GRU's memory.

    Attributes:
        hidden: The last output.
    """

    hidden: Float[Tensor, "batch hidden"]


class GRU(Cell[GRUState]):
    """A gated recurrent unit (Cho et al. 2014, arXiv 1406.1078).

    Gates come in the order reset, update, candidate (r, z, n).

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the state, which is also the output.
        reset_gate: Where the reset gate acts: `after` the state's product, as in cuDNN and `torch.nn.GRU` (the paper's
            first version), or `before` it, on the state itself (its third version, which was published).

    Attributes:
        input_weight: `[3·hidden, input]`.
        recurrent_weight: `[3·hidden, hidden]`.
        bias: `[3·hidden]`.
        recurrent_bias: `[hidden]`, of the candidate's recurrent part, which the reset gate scales; only where it acts
            `after` the product, for elsewhere it would add nothing to `bias`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
        reset_gate: Annotated[
            Literal["after", "before"],
            Field(description="Where the reset gate acts: after the state's product, as in cuDNN, or before it."),
        ] = "after",
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.input_weight = nn.Parameter(torch.empty(3 * hidden_size, input_size))
        self.recurrent_weight = nn.Parameter(torch.empty(3 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.empty(3 * hidden_size))
        self.recurrent_bias = nn.Parameter(torch.empty(hidden_size)) if reset_gate == "after" else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter from U(-1/√hidden, 1/√hidden), as torch does."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def initial_state(self, batch_size: int) -> GRUState:
        """Make a state of zeros.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            The state before the first step.
        """
        return GRUState(self.recurrent_weight.new_zeros(batch_size, self.hidden_size))

    def project(self, inputs: Float[Tensor, "time batch input"]) -> Float[Tensor, "time batch gates"]:
        """Compute W x + b for all steps in one product.

        Args:
            inputs: The sequence.

        Returns:
            The inputs' part of every step's gates.
        """
        return functional.linear(inputs, self.input_weight, self.bias)

    def step(
        self, projected: Float[Tensor, "batch gates"], state: GRUState
    ) -> tuple[Float[Tensor, "batch hidden"], GRUState]:
        """Advance by one step.

        Args:
            projected: One step of `project`'s result.
            state: The state before it.

        Returns:
            The output and the state after it.
        """
        h = state.hidden
        input_r, input_z, input_n = projected.chunk(3, dim=1)
        if self.recurrent_bias is not None:
            recurrent_r, recurrent_z, recurrent_n = (h @ self.recurrent_weight.t()).chunk(3, dim=1)
            r = torch.sigmoid(input_r + recurrent_r)
            z = torch.sigmoid(input_z + recurrent_z)
            n = torch.tanh(input_n + r * (recurrent_n + self.recurrent_bias))
        else:
            weight_r, weight_z, weight_n = self.recurrent_weight.chunk(3)
            r = torch.sigmoid(torch.addmm(input_r, h, weight_r.t()))
            z = torch.sigmoid(torch.addmm(input_z, h, weight_z.t()))
            n = torch.tanh(torch.addmm(input_n, r * h, weight_n.t()))
        h = (1 - z) * n + z * h
        return h, GRUState(h)
