"""The sLSTM, an LSTM with exponential gates."""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch.nn import functional

from seqforge.kinds import FactoredCell, Gates, Hidden

LOWEST_STABILIZER = -1e4
"""Stabilizer of an empty memory, in which no gate has been used."""


class SLSTMState(NamedTuple):
    """State of an sLSTM.

    Attributes:
        hidden: Output of the previous step.
        cell: Cell content, divided by the exponential of the stabilizer.
        normalizer: Sum of the input gates, decayed and divided in the same way.
        stabilizer: Largest exponent of a gate so far.
    """

    hidden: Hidden
    cell: Hidden
    normalizer: Hidden
    stabilizer: Hidden


class SLSTM(FactoredCell[SLSTMState]):
    """sLSTM (Beck et al. 2024, "xLSTM", arXiv 2405.04517, equations 8 to 17).

    c' = fc + i tanh(z), n' = fn + i and h = σ(o) c'/n', where f = σ(f̃) and i = exp(ĩ). With m' = max(log f + m, ĩ), the
    cell stores c and n divided by exp(m), so that no gate overflows. The hidden units of a head are connected with each
    other only.

    The order of the gates is candidate, input, forget, output (z, i, f, o). As in the authors' code for a single block,
    the bias of the forget gate falls from 5 to -7 over the units of a head, the other biases and U are 0 initially.

    Attributes:
        input_weight: `[4·hidden, input]`.
        recurrent_weight: `[4·hidden, hidden / heads]`.
        bias: `[4·hidden]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
        heads: Annotated[PositiveInt, Field(description="Number of groups of units that are not connected.")] = 1,
    ) -> None:
        super().__init__(input_size, hidden_size, 4 * hidden_size, heads=heads)
        with torch.no_grad():
            self.recurrent_weight.zero_()
            self.bias.zero_()
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set the bias of the forget gate by the power law of the authors' code."""
        forget = self.bias.detach().chunk(4)[2].view(self.heads, -1)
        position = torch.linspace(0, 1, forget.shape[1], dtype=forget.dtype, device=forget.device)
        forget.copy_(5 - 12 * position**0.3)

    def initial_state(self, batch_size: int) -> SLSTMState:
        """Return an empty memory. Its stabilizer is below every gate, so that the first step does not divide by 0."""
        zeros = self.bias.new_zeros(batch_size, self.hidden_size)
        return SLSTMState(zeros, zeros, zeros, torch.full_like(zeros, LOWEST_STABILIZER))

    def pointwise(self, input_gates: Gates, recurrent_gates: Gates, state: SLSTMState) -> tuple[Hidden, SLSTMState]:
        """Compute the elementwise part of one step; see `FactoredCell.pointwise`."""
        z, i, f, o = (input_gates + recurrent_gates).chunk(4, dim=1)
        log_f = functional.logsigmoid(f)
        m = torch.maximum(log_f + state.stabilizer, i)
        i, f = torch.exp(i - m), torch.exp(log_f + state.stabilizer - m)
        c = f * state.cell + i * torch.tanh(z)
        n = f * state.normalizer + i
        h = torch.sigmoid(o) * c / n
        return h, SLSTMState(h, c, n, m)
