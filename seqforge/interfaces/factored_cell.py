"""Cells that consist of one matrix product with the hidden state and an elementwise part."""

import math
from abc import abstractmethod
from typing import Any, ClassVar, Literal, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqforge.cells import ElementwisePart, differentiate_by_autograd, embed_rows, product_dtype, read_sequence
from seqforge.interfaces.cell import Cell, Stepper

StateT = TypeVar("StateT", bound=tuple[Any, ...])

Equations = Literal["lstm", "gru", "rnn-tanh", "rnn-relu"]
"""Recurrences for which backends may have fused kernels: those of `torch.nn.LSTM`, `GRU` and `RNN`, with the gates in
torch's order. The `recurrent_bias` of a GRU is torch's `bias_hh` of the candidate; `bias` is the sum of all other
biases."""

Gates = Float[Tensor, "batch gates"]
"""One of the two products that the gates of a step depend on: W x + b, or U h."""


class FactoredCell(Cell[StateT]):
    """A cell whose step is an elementwise function of W x + b, U h and the state.

    A subclass implements `initial_state` and `pointwise`. The first tensor of its state is the hidden state h.
    `forward` computes W x + b of all steps in one product, and the gradient of U in one product at the end of the
    sequence. Under autocast it multiplies in bfloat16. Backends can compile `pointwise`.

    Args:
        input_size: Number of features of the input.
        hidden_size: Number of features of the hidden state.
        gates_size: Number of features of W x + b and of U h.

    Attributes:
        input_weight: W, `[gates, input]`.
        recurrent_weight: U, `[gates, hidden]`.
        bias: b, `[gates]`.
    """

    reads_symbols: ClassVar[bool] = True

    def __init__(self, input_size: int, hidden_size: int, gates_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.input_weight = self.uniform_parameter(gates_size, input_size)
        self.recurrent_weight = self.uniform_parameter(gates_size, hidden_size)
        self.bias = self.uniform_parameter(gates_size)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if {"pointwise", "project", "step"} & cls.__dict__.keys() and "equations" not in cls.__dict__:
            cls.equations = FactoredCell.equations  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def equations(self) -> Equations | None:
        """The recurrence that the cell computes, if there may be fused kernels for it, or None.

        A subclass that overrides the computation does not inherit the equations, but can override this property too.
        """
        return None

    def uniform_parameter(self, *shape: int) -> nn.Parameter:
        """Return a parameter of a shape, drawn from U(-1/√hidden, 1/√hidden) as in torch's recurrent layers."""
        bound = 1 / math.sqrt(self.hidden_size)
        return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

    @abstractmethod
    def pointwise(
        self, input_gates: Gates, recurrent_gates: Gates, state: StateT
    ) -> tuple[Float[Tensor, "batch hidden"], StateT]:
        """Return the output and the next state, from W x + b, U h and the state before the step.

        The next state must have the types of the state. The result must depend on the arguments and the parameters of
        the cell only, not on random numbers, because a backend may compute it again in the backward pass.
        """

    def project(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"]
    ) -> Float[Tensor, "time batch gates"]:
        """Return W x + b for all steps; a symbol stands for a unit vector."""
        if inputs.is_floating_point():
            return functional.linear(inputs, self.input_weight, self.bias)
        table = self.input_weight.t() + self.bias
        return embed_rows(table, inputs, product_dtype(self.input_weight))

    def step(
        self, projected: Float[Tensor, "batch gates"], state: StateT
    ) -> tuple[Float[Tensor, "batch hidden"], StateT]:
        """Return the output and the next state of one step; see `Cell.step`."""
        dtype = state[0].dtype
        return self.pointwise(projected.to(dtype), functional.linear(state[0], self.recurrent_weight).to(dtype), state)

    def forward(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], state: StateT
    ) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Return the output of every step, in the type of the products, and the state after the last step."""
        projected = self.project(inputs)
        part = ElementwisePart(self, projected.dtype, type(state))
        outputs, after = read_sequence(differentiate_by_autograd(part), projected, self.recurrent_weight, state)
        return outputs, type(state)(*after)

    def stepper(self, batch_size: int) -> Stepper[StateT]:
        """Return a function that computes one step without gradients; it casts the weights only once."""
        dtype = product_dtype(self.recurrent_weight)
        table = (self.input_weight.t() + self.bias).detach()
        input_weight, recurrent_weight = (
            weight.detach().to(dtype).t() for weight in (self.input_weight, self.recurrent_weight)
        )

        def step(inputs: Tensor, state: StateT) -> tuple[Tensor, StateT]:
            state_dtype = state[0].dtype
            if inputs.is_floating_point():
                gates = torch.mm(inputs.to(dtype), input_weight).to(state_dtype) + self.bias
            else:
                gates = functional.embedding(inputs, table)
            return self.pointwise(gates, torch.mm(state[0].to(dtype), recurrent_weight).to(state_dtype), state)

        return step
