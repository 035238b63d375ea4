"""The quasi-recurrent network (QRNN), whose gates are convolutions over the inputs of two steps."""

from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field, PositiveInt

from seqforge.kinds import ElementwiseCell, Gates, Hidden


class QRNNState(NamedTuple):
    """State of a QRNN.

    Attributes:
        cell: Cell content c.
        z: V_z x of the step before.
        f: V_f x of the step before.
        o: V_o x of the step before.
    """

    cell: Hidden
    z: Hidden
    f: Hidden
    o: Hidden


class QRNN(ElementwiseCell[QRNNState]):
    """Quasi-recurrent network with fo-pooling and windows of two steps (Bradbury et al. 2017, arXiv 1611.01576).

    With x₋ as the input of the step before, z = tanh(W_z x + V_z x₋ + b_z), f = σ(W_f x + V_f x₋ + b_f),
    o = σ(W_o x + V_o x₋ + b_o), c' = f ⊙ c + (1 - f) ⊙ z and h = o ⊙ c'. The order of the gates is z, f, o. The zeros
    of the initial state are the padding of the convolution.

    Attributes:
        input_weight: W and V, `[6·hidden, input]`.
        gate_bias: b, `[3·hidden]`.
    """

    state_class: ClassVar = QRNNState

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the cell content and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size, 6 * hidden_size, bias=False)
        self.gate_bias = self.uniform_parameter(3 * hidden_size)

    def pointwise(self, input_gates: Gates, state: QRNNState) -> tuple[Hidden, QRNNState]:
        """Compute the elementwise part of one step; see `ElementwiseCell.pointwise`."""
        z, f, o, *later = input_gates.chunk(6, dim=1)
        z_bias, f_bias, o_bias = self.gate_bias.chunk(3)
        z = torch.tanh(z + state.z + z_bias)
        f = torch.sigmoid(f + state.f + f_bias)
        o = torch.sigmoid(o + state.o + o_bias)
        c = f * state.cell + (1 - f) * z
        return o * c, QRNNState(c, *later)
