"""Cells whose step is elementwise: with one matrix product with the hidden state (factored), or with none."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seqforge.cells import ElementwisePart, differentiate_by_autograd, embed_rows, product_dtype, read_sequence
from seqforge.kinds.cell import Cell, Hidden, HiddenState, Inputs, StateT, Stepper

__all__ = ["ElementwiseCell", "Equations", "FactoredCell", "Gates", "ProjectedCell"]

Gates = Float[Tensor, "batch gates"]
"""A product that the gates of a step depend on: W x + b, or U h."""

Equations = Literal["lstm", "gru", "rnn-tanh", "rnn-relu"]
"""Recurrences for which backends may have fused kernels: those of `torch.nn.LSTM`, `GRU` and `RNN`, with the gates in
torch's order. The `recurrent_bias` of a GRU is torch's `bias_hh` of the candidate; `bias` is the sum of all other
biases."""


class ProjectedCell(Cell[StateT]):
    """Base of cells that read their input only through W x + b, which `project` computes for all steps at once.

    Args:
        input_size: Number of features of the input.
        hidden_size: Number of features of the output.
        gates_size: Number of features of W x + b.
        bias: Whether there is a b.

    Attributes:
        input_weight: W, `[gates, input]`.
        bias: b, `[gates]`, or None.
    """

    reads_symbols: ClassVar[bool] = True
    state_class: ClassVar[type[Any]] = HiddenState
    """Class of the state, a NamedTuple."""
    product_parameters: ClassVar[tuple[str, ...]] = ("input_weight", "bias")
    """Parameters that only the products use."""

    def __init__(self, input_size: int, hidden_size: int, gates_size: int, bias: bool = True) -> None:
        super().__init__(input_size, hidden_size)
        self.input_weight = self.uniform_parameter(gates_size, input_size)
        self.bias = self.uniform_parameter(gates_size) if bias else None

    def uniform_parameter(self, *shape: int) -> nn.Parameter:
        """Return a parameter of a shape, drawn from U(-1/√hidden, 1/√hidden) as in torch's recurrent layers."""
        bound = 1 / math.sqrt(self.hidden_size)
        return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

    def initial_state(self, batch_size: int) -> StateT:
        """Return a state of zeros, `[batch, hidden]` for each part of its class."""
        zeros, size = self.input_weight.new_zeros, (batch_size, self.hidden_size)
        return self.state_class(*(zeros(size) for _ in self.state_class._fields))

    def project(self, inputs: Inputs) -> Float[Tensor, "time batch gates"]:
        """Return W x + b for all steps; a symbol stands for a unit vector."""
        if inputs.is_floating_point():
            return functional.linear(inputs, self.input_weight, self.bias)
        return embed_rows(self._table(), inputs, product_dtype(self.input_weight))

    def stepper(self) -> Stepper[StateT]:
        """Return a function that computes one step without gradients; it casts the weights only once."""
        project = self.step_projector()
        return lambda inputs, state: self.step(project(inputs), state)

    def step_projector(self) -> Callable[[Tensor], Tensor]:
        """Return a function that projects the inputs of one step, without gradients, to the type of the state."""
        dtype = self.initial_state(1)[0].dtype
        if type(self).project is not ProjectedCell.project:
            return lambda inputs: self.project(inputs.unsqueeze(0)).squeeze(0).to(dtype)
        table = self._table().detach()
        weight = self.input_weight.detach().to(product_dtype(self.input_weight)).t()
        bias = None if self.bias is None else self.bias.detach()

        def project(inputs: Tensor) -> Tensor:
            if not inputs.is_floating_point():
                return functional.embedding(inputs, table)
            gates = torch.mm(inputs.to(weight.dtype), weight).to(dtype)
            return gates if bias is None else gates + bias

        return project

    def _table(self) -> Float[Tensor, "symbols gates"]:
        table = self.input_weight.t()
        return table if self.bias is None else table + self.bias


class ElementwiseCell(ProjectedCell[StateT]):
    """A cell without a recurrent product: its step is an elementwise function of W x + b and the state.

    A subclass implements `pointwise`, and names its `state_class` if that is not `HiddenState`. It may override
    `project` to pass more than W x + b to `pointwise`. All products of a sequence are then one product. Backends can
    run `pointwise` in a kernel.
    """

    @abstractmethod
    def pointwise(self, input_gates: Gates, state: StateT) -> tuple[Hidden, StateT]:
        """Return the output and the next state, from W x + b and the state before the step.

        The next state must have the types of the state. The result must depend on the arguments and on the parameters
        and buffers of the cell only, not on random numbers, because a backend may compute it again in the backward
        pass.
        """

    def step(self, projected: Float[Tensor, "batch gates"], state: StateT) -> tuple[Hidden, StateT]:
        """Return the output and the next state of one step; see `Cell.step`."""
        return self.pointwise(projected.to(state[0].dtype), state)


class FactoredCell(ProjectedCell[StateT]):
    """A cell whose step is an elementwise function of W x + b, U h and the state.

    A subclass implements `pointwise`, and names its `state_class` if that is not `HiddenState`. The first tensor of its
    state is the hidden state h. `forward` computes W x + b of all steps in one product, and the gradient of U in one
    product at the end of the sequence. Under autocast it multiplies in bfloat16. Backends can compile `pointwise`. A
    cell that multiplies by something else than its parameter, such as a masked weight, overrides `recurrent_matrix`.

    Args:
        input_size: Number of features of the input.
        hidden_size: Number of features of the hidden state.
        gates_size: Number of features of W x + b and of U h.
        heads: Number of equal, consecutive groups of hidden units. U connects each unit to those of its group only, so
            that each of its blocks `[hidden, hidden]` is block-diagonal.

    Attributes:
        input_weight: W, `[gates, input]`.
        recurrent_weight: U, `[gates, hidden]`; with heads the blocks of U, `[gates, hidden / heads]`.
        bias: b, `[gates]`.
    """

    product_parameters: ClassVar[tuple[str, ...]] = ("input_weight", "recurrent_weight", "bias")
    bias: Tensor

    def __init__(self, input_size: int, hidden_size: int, gates_size: int, heads: int = 1) -> None:
        super().__init__(input_size, hidden_size, gates_size, bias=False)
        if hidden_size % heads:
            raise ValueError(f"heads = {heads} does not divide hidden_size = {hidden_size}")
        self.heads = heads
        self.recurrent_weight = self.uniform_parameter(gates_size, hidden_size // heads)
        self.bias = self.uniform_parameter(gates_size)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        computation = {"pointwise", "project", "step", "recurrent_matrix"}
        if computation & cls.__dict__.keys() and "equations" not in cls.__dict__:
            cls.equations = FactoredCell.equations  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def equations(self) -> Equations | None:
        """The recurrence that the cell computes, if there may be fused kernels for it, or None.

        A subclass that overrides the computation does not inherit the equations, but can override this property too.
        """
        return None

    @abstractmethod
    def pointwise(self, input_gates: Gates, recurrent_gates: Gates, state: StateT) -> tuple[Hidden, StateT]:
        """Return the output and the next state, from W x + b, U h and the state before the step.

        The next state must have the types of the state. The result must depend on the arguments and on the parameters
        and buffers of the cell only, not on random numbers, because a backend may compute it again in the backward
        pass.
        """

    def recurrent_matrix(self) -> Float[Tensor, "gates hidden"]:
        """Return U as all backends use it: `recurrent_weight`, with zeros between heads."""
        if self.heads == 1:
            return self.recurrent_weight
        gates: Sequence[Tensor] = torch.split(self.recurrent_weight, self.hidden_size)
        return torch.cat([torch.block_diag(*gate.chunk(self.heads)) for gate in gates])

    def step(self, projected: Float[Tensor, "batch gates"], state: StateT) -> tuple[Hidden, StateT]:
        """Return the output and the next state of one step; see `Cell.step`."""
        dtype = state[0].dtype
        return self.pointwise(
            projected.to(dtype), functional.linear(state[0], self.recurrent_matrix()).to(dtype), state
        )

    def forward(self, inputs: Inputs, state: StateT) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Return the output of every step, in the type of the products, and the state after the last step."""
        projected = self.project(inputs)
        part = ElementwisePart(self, projected.dtype, type(state))
        outputs, after = read_sequence(differentiate_by_autograd(part), projected, self.recurrent_matrix(), state)
        return outputs, type(state)(*after)

    def stepper(self) -> Stepper[StateT]:
        """Return a function that computes one step without gradients; it casts the weights only once."""
        dtype = product_dtype(self.recurrent_weight)
        weight = self.recurrent_matrix().detach().to(dtype).t()
        project = self.step_projector()

        def step(inputs: Tensor, state: StateT) -> tuple[Tensor, StateT]:
            product = torch.mm(state[0].to(dtype), weight)
            return self.pointwise(project(inputs), product.to(state[0].dtype), state)

        return step
