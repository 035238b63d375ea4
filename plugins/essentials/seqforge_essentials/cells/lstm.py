"""Long short-term memory, with its best-known variants."""

from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge.interfaces import Equations, FactoredCell


class LSTMState(NamedTuple):
    """An LSTM's memory.

    Attributes:
        hidden: The last output.
        cell: What the gates write to and forget from.
    """

    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class LSTM(FactoredCell[LSTMState]):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    Gates come in the order input, forget, candidate, output (i, f, g, o).

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the output, and of each of the state's two parts.
        forget_bias: The forget gate's bias before training (Gers et al. 2000; Jozefowicz et al. 2015).
        peepholes: Whether the gates look at the cell (Gers & Schmidhuber 2000): i and f at the old one, o at the new.
        coupled_gates: Whether i = 1 - f (Greff et al. 2017, arXiv 1503.04069): what is forgotten makes room for what
            is written. There is then no input gate among the parameters.

    Attributes:
        input_weight: `[4·hidden, input]`; with coupled gates `[3·hidden, input]`, as the next two.
        recurrent_weight: `[4·hidden, hidden]`.
        bias: `[4·hidden]`.
        input_peephole: `[hidden]`, or None.
        forget_peephole: `[hidden]`, or None.
        output_peephole: `[hidden]`, or None.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
        forget_bias: Annotated[float, Field(description="The forget gate's bias before training.")] = 1.0,
        peepholes: Annotated[bool, Field(description="Whether the gates look at the cell.")] = False,
        coupled_gates: Annotated[bool, Field(description="Whether the input gate is 1 - the forget gate.")] = False,
    ) -> None:
        gate_count = 3 if coupled_gates else 4
        super().__init__(input_size, hidden_size, gate_count * hidden_size)
        self.forget_bias = forget_bias
        self.coupled_gates = coupled_gates
        self.gate_count = gate_count
        self.input_peephole = self.uniform_parameter(hidden_size) if peepholes and not coupled_gates else None
        self.forget_peephole = self.uniform_parameter(hidden_size) if peepholes else None
        self.output_peephole = self.uniform_parameter(hidden_size) if peepholes else None
        self.set_initial_biases()

    @property
    def equations(self) -> Equations | None:
        """`lstm`, unless the cell has peepholes or coupled gates."""
        return None if self.coupled_gates or self.forget_peephole is not None else "lstm"

    def set_initial_biases(self) -> None:
        """Set the forget gate's bias, so that the cell remembers before it has learned what to forget."""
        forget = self.bias.detach().chunk(self.gate_count)[-3]
        forget.fill_(self.forget_bias)

    def initial_state(self, batch_size: int) -> LSTMState:
        """Make a state of zeros.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            The state before the first step.
        """
        shape = (batch_size, self.hidden_size)
        return LSTMState(self.recurrent_weight.new_zeros(shape), self.recurrent_weight.new_zeros(shape))

    def pointwise(
        self,
        input_gates: Float[Tensor, "batch gates"],
        recurrent_gates: Float[Tensor, "batch gates"],
        state: LSTMState,
    ) -> tuple[Float[Tensor, "batch hidden"], LSTMState]:
        """Advance by one step, given both sides' gates.

        Args:
            input_gates: W x + b.
            recurrent_gates: U h.
            state: The state before the step.

        Returns:
            The output and the state after it.
        """
        c = state.cell
        *own_i, f, g, o = (input_gates + recurrent_gates).chunk(self.gate_count, dim=1)
        f = torch.sigmoid(_look(f, self.forget_peephole, c))
        i = 1 - f if self.coupled_gates else torch.sigmoid(_look(own_i[0], self.input_peephole, c))
        c = f * c + i * torch.tanh(g)
        o = torch.sigmoid(_look(o, self.output_peephole, c))
        h = o * torch.tanh(c)
        return h, LSTMState(h, c)


def _look(gate: Tensor, peephole: Tensor | None, cell: Tensor) -> Tensor:
    return gate if peephole is None else gate + peephole * cell
