"""The simple recurrent unit (SRU), with its highway connection."""

import math
from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import nn

from seqforge.kinds import ElementwiseCell, Gates, Hidden
from seqforge_parallel_cells.highway import HighwayCell


class SRUState(NamedTuple):
    """State of an SRU.

    Attributes:
        cell: Cell content, which the forget gate updates.
    """

    cell: Hidden


class SRU(HighwayCell[SRUState], ElementwiseCell[SRUState]):
    """Simple recurrent unit (Lei et al. 2018, arXiv 1709.02755).

    f = σ(W_f x + v_f ⊙ c + b_f), r = σ(W_r x + v_r ⊙ c + b_r), c' = f ⊙ c + (1 - f) ⊙ (W_c x) and
    h = r ⊙ c' + (1 - r) ⊙ α x. If the sizes of x and h differ, the highway connection uses W_x x in the place of x. The
    order of the gates is forget, reset, cell, highway (f, r, c, x).

    As in the paper, initial weights have a variance of 1/input_size, so that with α, h has about the variance
    of x. As in the authors' code, W_f and W_r have half of this variance, and v has 1/2. The bias b_f is 0,
    and b_r is `highway_bias`, which sets α = √(1 + 2eᵇ).

    Attributes:
        input_weight: `[3·hidden, input]`, or `[4·hidden, input]` with W_x.
        peephole: v, `[2·hidden]`.
        gate_bias: b, `[2·hidden]`.
    """

    state_class: ClassVar = SRUState

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
        highway_bias: Annotated[float, Field(ge=-50, le=50, description="Initial bias of the reset gate.")] = 0.0,
    ) -> None:
        products = 3 if input_size == hidden_size else 4
        super().__init__(input_size, hidden_size, products * hidden_size, bias=False)
        self.highway_bias = highway_bias
        self.scale = math.sqrt(1 + 2 * math.exp(highway_bias))
        self.peephole = nn.Parameter(torch.empty(2 * hidden_size).uniform_(-math.sqrt(1.5), math.sqrt(1.5)))
        self.gate_bias = nn.Parameter(torch.zeros(2 * hidden_size))
        bound = math.sqrt(3 / input_size)
        with torch.no_grad():
            self.input_weight.uniform_(-bound, bound)
            self.input_weight[: 2 * hidden_size] *= math.sqrt(0.5)
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set the bias of the reset gate."""
        self.gate_bias.detach().chunk(2)[1].fill_(self.highway_bias)

    def pointwise(self, input_gates: Gates, state: SRUState) -> tuple[Hidden, SRUState]:
        """Compute the elementwise part of one step; see `ElementwiseCell.pointwise`."""
        c = state.cell
        forget, reset, candidate, x = input_gates.chunk(4, dim=-1)
        v_f, v_r = self.peephole.chunk(2)
        b_f, b_r = self.gate_bias.chunk(2)
        f = torch.sigmoid(forget + v_f * c + b_f)
        r = torch.sigmoid(reset + v_r * c + b_r)
        c = f * c + (1 - f) * candidate
        return r * c + (1 - r) * self.scale * x, SRUState(c)
