"""Cells without a recurrent product.

minGRU and minLSTM (Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201), as defined for log space, are
linear in the state: h' = a ⊙ h + b, where a and b depend only on the input of the step. The candidate state is
g(W x + b) with a positive g; see `positive`. So is the RG-LRU. The steps of SRU, QRNN and IndRNN follow one another.
"""

import math
from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import ElementwiseCell, Gates, Hidden, HiddenState, Inputs
from seqforge_parallel_cells.linear_recurrence import linear_recurrence, scan_for


def with_inputs(
    gates: Float[Tensor, "time batch gates"],
    inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"],
    input_size: int,
) -> Float[Tensor, "time batch features"]:
    """Return the gates of all steps, and after them the inputs, for cells that add these to their state or output.

    A symbol stands for a unit vector.
    """
    vectors = inputs if inputs.is_floating_point() else functional.one_hot(inputs, input_size)
    return torch.cat([gates, vectors.to(gates.dtype)], dim=-1)


Coefficients = tuple[Float[Tensor, "*time batch hidden"], Float[Tensor, "*time batch hidden"]]
"""a and b of one step, or of every step."""


class LinearCell(ElementwiseCell[HiddenState]):
    """Base class of cells with the recurrence h' = a ⊙ h + b.

    A subclass implements `coefficients`. `forward` computes the coefficients of all steps at once, and the states by a
    scan with its own gradient. Under autocast, the input projection runs in the lower precision. Everything else,
    including the state, keeps the type of the parameters.

    Attributes:
        gate_count: Number of gates, including the candidate state.
        input_weight: `[gates·hidden, input]`.
        bias: `[gates·hidden]`.
    """

    gate_count: ClassVar[int]

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size, self.gate_count * hidden_size)

    @abstractmethod
    def coefficients(self, gates: Float[Tensor, "*time batch gates"]) -> Coefficients:
        """Return a, the factor of the state, and b, the addend, from `gates` = W x + b."""

    def pointwise(self, input_gates: Gates, state: HiddenState) -> tuple[Hidden, HiddenState]:
        """Return the new state twice; see `ElementwiseCell.pointwise`."""
        decay, addend = self.coefficients(input_gates)
        h = torch.addcmul(addend, decay, state.hidden)
        return h, HiddenState(h)

    def forward(self, inputs: Inputs, state: HiddenState) -> tuple[Float[Tensor, "time batch hidden"], HiddenState]:
        """Return the output of every step, and the state after the last step."""
        decays, addends = self.coefficients(self.project(inputs).to(state.hidden.dtype))
        outputs = linear_recurrence(scan_for(inputs.device), decays, addends, state.hidden)
        # Copied, because a view would keep the outputs of the whole sequence in memory.
        return outputs, HiddenState(outputs[-1].clone())


class MinGRU(LinearCell):
    """Minimal GRU: h' = (1 - z) ⊙ h + z ⊙ g(W_h x + b_h), where z = σ(W_z x + b_z).

    The order of the gates is update, candidate (z, h).

    Attributes:
        input_weight: `[2·hidden, input]`.
        bias: `[2·hidden]`.
    """

    gate_count = 2

    def coefficients(self, gates: Float[Tensor, "*time batch gates"]) -> Coefficients:
        """Return 1 - z and z ⊙ g(candidate)."""
        update, candidate = gates.chunk(2, dim=-1)
        z = torch.sigmoid(update)
        return 1 - z, z * positive(candidate)


class MinLSTM(LinearCell):
    """Minimal LSTM: h' = f/(f + i) ⊙ h + i/(f + i) ⊙ g(W_h x + b_h), where f = σ(W_f x + b_f) and i = σ(W_i x + b_i).

    The order of the gates is input, forget, candidate (i, f, h).

    Attributes:
        input_weight: `[3·hidden, input]`.
        bias: `[3·hidden]`.
    """

    gate_count = 3

    def coefficients(self, gates: Float[Tensor, "*time batch gates"]) -> Coefficients:
        """Return f/(f + i) and i/(f + i) ⊙ g(candidate)."""
        input_gate, forget_gate, candidate = gates.chunk(3, dim=-1)
        # i/(f + i) = σ(ln i - ln f), which stays accurate when f and i both underflow; f/(f + i) is 1 minus it.
        fraction = torch.sigmoid(functional.logsigmoid(input_gate) - functional.logsigmoid(forget_gate))
        return 1 - fraction, fraction * positive(candidate)


def positive(candidate: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Compute g of the paper elementwise: x + ½ if x ≥ 0, and σ(x) otherwise. It is positive and continuous."""
    return torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))


_DECAY_EXPONENT = 8.0

_SMALLEST_SQUARE = 2.5e-7
"""Value of 1 - a² at which the slope of its root is 1,000, the bound of the authors' code."""


class RGLRU(LinearCell):
    """Real-gated linear recurrent unit (De et al. 2024, "Griffin", arXiv 2402.19427).

    h' = a ⊙ h + √(1 - a²) ⊙ (i ⊙ x), where a = exp(-8 softplus(Λ) ⊙ r), r = σ(W_r x + b_r) and i = σ(W_i x + b_i). If
    the sizes of x and h differ, W_x x + b_x is used in the place of x. The order of the gates is recurrence, input,
    candidate (r, i, x). Initially, a is between 0.9 and 0.999 where r = 1/8, uniformly in its square; biases are 0.

    The gates of the paper are block-diagonal; here, every gate reads the whole input.

    Args:
        input_size: Number of input features.
        hidden_size: Size of the state and of the output.

    Attributes:
        input_weight: `[2·hidden, input]`, or `[3·hidden, input]` with W_x.
        bias: `[2·hidden]`, or `[3·hidden]` with b_x.
        decay: Λ, `[hidden]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
    ) -> None:
        self.gate_count = 2 if input_size == hidden_size else 3  # pyright: ignore[reportAttributeAccessIssue]
        super().__init__(input_size, hidden_size)
        self.decay = nn.Parameter(torch.empty(hidden_size))
        nn.init.zeros_(cast("Tensor", self.bias))
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Draw Λ from the distribution of the authors' code."""
        with torch.no_grad():
            decay = torch.empty_like(self.decay).uniform_(0.9**2, 0.999**2).sqrt()
            self.decay.copy_(torch.log(torch.expm1(-torch.log(decay))))

    def project(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"]
    ) -> Float[Tensor, "time batch gates"]:
        """Return the products of all steps, and x if no product has its place."""
        gates = super().project(inputs)
        return with_inputs(gates, inputs, self.input_size) if self.input_size == self.hidden_size else gates

    def coefficients(self, gates: Float[Tensor, "*time batch gates"]) -> Coefficients:
        """Return a and √(1 - a²) ⊙ (i ⊙ x)."""
        recurrence, input_gate, x = gates.chunk(3, dim=-1)
        log_a = -_DECAY_EXPONENT * functional.softplus(self.decay) * torch.sigmoid(recurrence)
        a = torch.exp(log_a)
        # 1 - a² = -tanh(log a) (1 + a²), which stays accurate for a near 1.
        square = -torch.tanh(log_a) * (1 + a * a)
        slope = 0.5 / torch.sqrt(torch.clamp(square, min=_SMALLEST_SQUARE))
        scale = torch.sqrt(square).detach() + (square - square.detach()) * slope.detach()
        return a, scale * torch.sigmoid(input_gate) * x


class SRUState(NamedTuple):
    """State of an SRU.

    Attributes:
        cell: Cell content, which the forget gate updates.
    """

    cell: Hidden


class SRU(ElementwiseCell[SRUState]):
    """Simple recurrent unit (Lei et al. 2018, arXiv 1709.02755).

    f = σ(W_f x + v_f ⊙ c + b_f), r = σ(W_r x + v_r ⊙ c + b_r), c' = f ⊙ c + (1 - f) ⊙ (W_c x) and
    h = r ⊙ c' + (1 - r) ⊙ α x. If the sizes of x and h differ, the highway connection uses W_x x in the place of x. The
    order of the gates is forget, reset, cell, highway (f, r, c, x).

    As in the paper, initial weights have a variance of 1/input_size, so that with α, h has about the variance
    of x. As in the authors' code, W_f and W_r have half of this variance, and v has 1/2. The bias b_f is 0.

    Args:
        input_size: Number of input features.
        hidden_size: Size of the state and of the output.
        highway_bias: Initial bias b of the reset gate, which sets α = √(1 + 2eᵇ).

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

    def project(self, inputs: Inputs) -> Float[Tensor, "time batch gates"]:
        """Return the products of all steps, and x if no product has its place."""
        gates = super().project(inputs)
        return with_inputs(gates, inputs, self.input_size) if self.input_size == self.hidden_size else gates

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


class IndRNN(ElementwiseCell[HiddenState]):
    """Independently recurrent neural network (Li et al. 2018, arXiv 1803.04831): h' = φ(W x + u ⊙ h + b).

    Args:
        input_size: Number of input features.
        hidden_size: Size of the state, which is also the output.
        nonlinearity: φ: `relu`, as in the paper, or `tanh`.
        largest_weight: Limit of |u|. With γ^(1/T), a state grows by at most a factor of γ over T steps.

    Attributes:
        input_weight: W, `[hidden, input]`.
        bias: b, `[hidden]`.
        recurrent_weight: u, `[hidden]`, drawn from U(0, largest_weight), and clipped after each optimizer step.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
        nonlinearity: Annotated[Literal["relu", "tanh"], Field(description="Nonlinearity of the state.")] = "relu",
        largest_weight: Annotated[
            float, Field(gt=0, le=100, description="Limit of the absolute recurrent weights.")
        ] = 1.0,
    ) -> None:
        super().__init__(input_size, hidden_size, hidden_size)
        self.nonlinearity = nonlinearity
        self.largest_weight = largest_weight
        self.recurrent_weight = nn.Parameter(torch.empty(hidden_size).uniform_(0, largest_weight))

    def constrain_parameters(self) -> None:
        """Clip the recurrent weight."""
        self.recurrent_weight.clamp_(-self.largest_weight, self.largest_weight)

    def pointwise(self, input_gates: Gates, state: HiddenState) -> tuple[Hidden, HiddenState]:
        """Return the new state twice; see `ElementwiseCell.pointwise`."""
        total = input_gates + self.recurrent_weight * state.hidden
        h = torch.relu(total) if self.nonlinearity == "relu" else torch.tanh(total)
        return h, HiddenState(h)
