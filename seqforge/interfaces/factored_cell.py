"""Cells that consist of one recurrent product and an elementwise part."""

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
"""Recurrences for which torch and others have fused kernels: those of `torch.nn.LSTM`, `GRU` and `RNN`, in torch's
order of gates. A GRU's `recurrent_bias` is torch's `bias_hh` of the candidate; all other biases are one sum, `bias`."""


class FactoredCell(Cell[StateT]):
    """A cell whose gates are the sum or another function of W x + b and U h.

    A subclass implements `initial_state` and `pointwise`. The first tensor of its state is the hidden state h.
    `forward` computes W x + b of all steps in one product and the gradient of U in one product at the end of the
    sequence, and multiplies in bfloat16 under autocast. Backends can compile `pointwise`.

    Args:
        input_size: Size of a step's input.
        hidden_size: Size of the hidden state.
        gates_size: Size of W x + b and of U h.

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
        """The well-known recurrence that the cell computes, so that a backend may run fused kernels for it, or None.

        A subclass that overrides the mathematics loses the equations of its parent, unless it states them again.
        """
        return None

    def uniform_parameter(self, *shape: int) -> nn.Parameter:
        """Return a parameter drawn from U(-1/√hidden, 1/√hidden), as torch initializes its recurrent layers.

        Args:
            shape: Shape of the parameter.
        """
        bound = 1 / math.sqrt(self.hidden_size)
        return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

    @abstractmethod
    def pointwise(
        self,
        input_gates: Float[Tensor, "batch gates"],
        recurrent_gates: Float[Tensor, "batch gates"],
        state: StateT,
    ) -> tuple[Float[Tensor, "batch hidden"], StateT]:
        """Return the output and the next state, given both sides of the gates.

        The result depends on the arguments and the cell's parameters only, without random numbers: a backend may
        compute it again in the backward pass.

        Args:
            input_gates: W x + b.
            recurrent_gates: U h.
            state: State before the step.

        Returns:
            The output, and the state after the step in the state's own type.
        """

    def project(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"]
    ) -> Float[Tensor, "time batch gates"]:
        """Return W x + b for all steps.

        Args:
            inputs: Vectors, or symbols that stand for unit vectors.
        """
        if inputs.is_floating_point():
            return functional.linear(inputs, self.input_weight, self.bias)
        table = self.input_weight.t() + self.bias
        return embed_rows(table, inputs, product_dtype(self.input_weight))

    def step(
        self, projected: Float[Tensor, "batch gates"], state: StateT
    ) -> tuple[Float[Tensor, "batch hidden"], StateT]:
        """Return the output and the next state of one step.

        Args:
            projected: One step of `project`'s result.
            state: State before the step.
        """
        own = state[0].dtype
        return self.pointwise(projected.to(own), functional.linear(state[0], self.recurrent_weight).to(own), state)

    def forward(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], state: StateT
    ) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Return the outputs of a whole sequence, of at least one step, and the state after it.

        Args:
            inputs: Vectors or symbols.
            state: State before the first step.

        Returns:
            The output of every step in the type of the products, and the state after the last step.
        """
        projected = self.project(inputs)
        part = ElementwisePart(self, projected.dtype, type(state))
        outputs, after = read_sequence(differentiate_by_autograd(part), projected, self.recurrent_weight, state)
        return outputs, type(state)(*after)

    def stepper(self, batch_size: int) -> Stepper[StateT]:
        """Return a function that reads one step without gradients; the weights are cast once.

        Args:
            batch_size: Number of sequences in the batch.

        Returns:
            A function from one step's inputs and a state to the output and the next state.
        """
        dtype = product_dtype(self.recurrent_weight)
        table = (self.input_weight.t() + self.bias).detach()
        input_weight, recurrent_weight = (
            weight.detach().to(dtype).t() for weight in (self.input_weight, self.recurrent_weight)
        )

        def step(inputs: Tensor, state: StateT) -> tuple[Tensor, StateT]:
            own = state[0].dtype
            if inputs.is_floating_point():
                gates = torch.mm(inputs.to(dtype), input_weight).to(own) + self.bias
            else:
                gates = functional.embedding(inputs, table)
            return self.pointwise(gates, torch.mm(state[0].to(dtype), recurrent_weight).to(own), state)

        return step
