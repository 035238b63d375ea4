"""Cells whose products with the input are computed for all steps at once, and those that have no other product."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqforge.cells import embed_rows, product_dtype
from seqforge.kinds.cell import Cell, Stepper

__all__ = ["ElementwiseCell", "Gates", "ProjectedCell"]

StateT = TypeVar("StateT", bound=tuple[Any, ...])

Gates = Float[Tensor, "batch gates"]
"""A product that the gates of a step depend on: W x + b, or U h."""


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

    def project(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"]
    ) -> Float[Tensor, "time batch gates"]:
        """Return W x + b for all steps; a symbol stands for a unit vector."""
        if inputs.is_floating_point():
            return functional.linear(inputs, self.input_weight, self.bias)
        return embed_rows(self._table(), inputs, product_dtype(self.input_weight))

    def step_projector(self, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Return a function that projects the inputs of one step, without gradients; it casts the weight only once.

        Args:
            dtype: Type of the result.
        """
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

    A subclass implements `initial_state` and `pointwise`. It may override `project` to pass more than W x + b to
    `pointwise`. All products of a sequence are then one product. Backends can compile `pointwise`.
    """

    @abstractmethod
    def pointwise(self, input_gates: Gates, state: StateT) -> tuple[Float[Tensor, "batch hidden"], StateT]:
        """Return the output and the next state, from W x + b and the state before the step.

        The next state must have the types of the state. The result must depend on the arguments and on the parameters
        and buffers of the cell only, not on random numbers, because a backend may compute it again in the backward
        pass.
        """

    def step(
        self, projected: Float[Tensor, "batch gates"], state: StateT
    ) -> tuple[Float[Tensor, "batch hidden"], StateT]:
        """Return the output and the next state of one step; see `Cell.step`."""
        return self.pointwise(projected.to(state[0].dtype), state)

    def stepper(self, batch_size: int) -> Stepper[StateT]:
        """Return a function that computes one step without gradients; it casts the weights only once."""
        project = self.step_projector(self.initial_state(1)[0].dtype)
        return lambda inputs, state: self.pointwise(project(inputs), state)
