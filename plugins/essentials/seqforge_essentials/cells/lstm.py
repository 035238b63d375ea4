"""Long short-term memory (LSTM), with optional peepholes and coupled gates, or with layer normalization."""

from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import Equations, FactoredCell, Gates, Hidden


class LSTMState(NamedTuple):
    """State of an LSTM.

    Attributes:
        hidden: Output of the previous step.
        cell: Cell content, which the gates update.
    """

    hidden: Hidden
    cell: Hidden


class LSTM(FactoredCell[LSTMState]):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    With peepholes (Gers & Schmidhuber 2000), i and f also depend on the cell content before the step, and o on that
    after it. With coupled gates (Greff et al. 2017, arXiv 1503.04069), i = 1 - f: the input gate has no parameters, and
    the weights and the bias have the rows of three gates instead of four. A positive initial bias of the forget gate is
    recommended by Gers et al. (2000) and Jozefowicz et al. (2015). The order of the gates is input, forget, candidate,
    output (i, f, g, o).

    Attributes:
        input_weight: `[4·hidden, input]`.
        recurrent_weight: `[4·hidden, hidden]`.
        bias: `[4·hidden]`.
        input_peephole: `[hidden]`, or None without peepholes or with coupled gates.
        forget_peephole: `[hidden]`, or None without peepholes.
        output_peephole: `[hidden]`, or None without peepholes.
    """

    state_class: ClassVar = LSTMState

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
        forget_bias: Annotated[float, Field(ge=-50, le=50, description="Initial bias of the forget gate.")] = 1.0,
        peepholes: Annotated[bool, Field(description="Whether the gates depend on the cell content.")] = False,
        coupled_gates: Annotated[bool, Field(description="Whether the input gate is 1 minus the forget gate.")] = False,
    ) -> None:
        gate_count = 3 if coupled_gates else 4
        super().__init__(input_size, hidden_size, gate_count * hidden_size)
        self.gate_count = gate_count
        self.forget_bias = forget_bias
        self.coupled_gates = coupled_gates
        self.input_peephole = self.uniform_parameter(hidden_size) if peepholes and not coupled_gates else None
        self.forget_peephole = self.uniform_parameter(hidden_size) if peepholes else None
        self.output_peephole = self.uniform_parameter(hidden_size) if peepholes else None
        self.set_initial_biases()

    @property
    def equations(self) -> Equations | None:
        """`lstm`, or None if the cell has peepholes or coupled gates."""
        return None if self.coupled_gates or self.forget_peephole is not None else "lstm"

    def set_initial_biases(self) -> None:
        """Set the bias of the forget gate. A positive one makes the cell keep its content at the start of training."""
        self.bias.detach().chunk(self.gate_count)[-3].fill_(self.forget_bias)

    def pointwise(self, input_gates: Gates, recurrent_gates: Gates, state: LSTMState) -> tuple[Hidden, LSTMState]:
        """Compute the elementwise part of one step; see `FactoredCell.pointwise`."""
        c = state.cell
        gates = (input_gates + recurrent_gates).chunk(self.gate_count, dim=1)
        f, g, o = gates[-3:]
        f = torch.sigmoid(_add_peephole(f, self.forget_peephole, c))
        i = 1 - f if self.coupled_gates else torch.sigmoid(_add_peephole(gates[0], self.input_peephole, c))
        c = f * c + i * torch.tanh(g)
        o = torch.sigmoid(_add_peephole(o, self.output_peephole, c))
        h = o * torch.tanh(c)
        return h, LSTMState(h, c)


def _add_peephole(gate: Tensor, peephole: Tensor | None, cell: Tensor) -> Tensor:
    return gate if peephole is None else gate + peephole * cell


class LayerNormLSTM(FactoredCell[LSTMState]):
    """LSTM with layer normalization (Ba et al. 2016, arXiv 1607.06450, equations 20 to 22).

    The gates are LN(W x; α_1) + LN(U h; α_2) + b, and h = σ(o) ⊙ tanh(LN(c'; α_3, β)). A norm has zero mean and unit
    variance over all gates, or over the hidden units, before its gain α. The order of the gates is input, forget,
    candidate, output (i, f, g, o).

    Attributes:
        input_weight: `[4·hidden, input]`.
        recurrent_weight: `[4·hidden, hidden]`.
        bias: Added to W x before its norm, `[4·hidden]`; 0 initially.
        gate_bias: b, `[4·hidden]`.
        input_gain: α_1, `[4·hidden]`.
        recurrent_gain: α_2, `[4·hidden]`.
        cell_gain: α_3, `[hidden]`.
        cell_bias: β, `[hidden]`.
    """

    state_class: ClassVar = LSTMState

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
        forget_bias: Annotated[float, Field(ge=-50, le=50, description="Initial bias of the forget gate.")] = 1.0,
    ) -> None:
        super().__init__(input_size, hidden_size, 4 * hidden_size)
        self.forget_bias = forget_bias
        self.gate_bias = nn.Parameter(torch.empty(4 * hidden_size))
        self.input_gain, self.recurrent_gain = (nn.Parameter(torch.empty(4 * hidden_size)) for _ in range(2))
        self.cell_gain, self.cell_bias = (nn.Parameter(torch.empty(hidden_size)) for _ in range(2))
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set gains to 1, and biases to 0, except that of the forget gate."""
        with torch.no_grad():
            for gain in (self.input_gain, self.recurrent_gain, self.cell_gain):
                gain.fill_(1)
            for bias in (self.bias, self.gate_bias, self.cell_bias):
                bias.zero_()
            self.gate_bias.chunk(4)[1].fill_(self.forget_bias)

    def pointwise(self, input_gates: Gates, recurrent_gates: Gates, state: LSTMState) -> tuple[Hidden, LSTMState]:
        """Compute the part of one step after the products; see `FactoredCell.pointwise`."""
        all_gates, size = (4 * self.hidden_size,), (self.hidden_size,)
        gates = functional.layer_norm(input_gates, all_gates, self.input_gain, self.gate_bias)
        gates = gates + functional.layer_norm(recurrent_gates, all_gates, self.recurrent_gain)
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * state.cell + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(functional.layer_norm(c, size, self.cell_gain, self.cell_bias))
        return h, LSTMState(h, c)
