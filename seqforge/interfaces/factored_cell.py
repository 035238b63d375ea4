"""Cells that are one recurrent product with a pointwise part around it, which the core makes fast."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqforge.cells import (
    CellPart,
    Function,
    Pointwise,
    compiled,
    eager,
    embed_rows,
    linear,
    product_dtype,
    read_sequence,
    recurrent_product,
)
from seqforge.interfaces.cell import Cell, Stepper

StateT = TypeVar("StateT", bound=tuple[Any, ...])

SequenceReader = Callable[["FactoredCell[Any]", Tensor, Any], tuple[Tensor, Any] | None]
"""Does for a cell, its inputs and its state what the cell's `forward` does, or gives None where it cannot."""


class FactoredCell(Cell[StateT]):
    """A cell given by its pointwise part: the gates come from the inputs and from one product with the hidden state.

    A subclass writes `initial_state` and `pointwise`. The first tensor of its state is the hidden state, which is
    multiplied. In return `forward` computes the inputs' gates of all steps in one product, keeps the weight's gradient
    for one product at the end of the sequence, multiplies in bfloat16 where the experiment asks for it, and can
    compile the pointwise part.

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the hidden state.
        gates_size: Features of each of the two sums that `pointwise` is given.

    Attributes:
        input_weight: `[gates, input]`.
        recurrent_weight: `[gates, hidden]`.
        bias: `[gates]`.
    """

    reads_symbols: ClassVar[bool] = True

    def __init__(self, input_size: int, hidden_size: int, gates_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.input_weight = self.uniform_parameter(gates_size, input_size)
        self.recurrent_weight = self.uniform_parameter(gates_size, hidden_size)
        self.bias = self.uniform_parameter(gates_size)
        self._reader: SequenceReader | None = None
        self._compiled_parts: dict[torch.dtype, tuple[FactoredCell[Any], Pointwise]] | None = None

    def uniform_parameter(self, *shape: int) -> nn.Parameter:
        """Make a parameter drawn from U(-1/√hidden, 1/√hidden), as torch draws its own.

        Args:
            shape: Of the parameter.
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
        """Advance by one step, given both sides' gates.

        A function of its arguments and the cell's parameters alone, without random numbers, which may be computed anew
        in the backward pass.

        Args:
            input_gates: W x + b.
            recurrent_gates: U h, of the state's first tensor.
            state: The state before the step.

        Returns:
            The output and the state after it, in the state's own type.
        """

    def project(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"]
    ) -> Float[Tensor, "time batch gates"]:
        """Compute W x + b for all steps at once.

        Args:
            inputs: The sequence.

        Returns:
            The inputs' side of every step's gates.
        """
        if inputs.is_floating_point():
            return linear(inputs, self.input_weight, self.bias)
        table = self.input_weight.t() + self.bias
        return embed_rows(table, inputs, product_dtype(self.input_weight))

    def step(
        self, projected: Float[Tensor, "batch gates"], state: StateT
    ) -> tuple[Float[Tensor, "batch hidden"], StateT]:
        """Advance by one step.

        Args:
            projected: One step of `project`'s result.
            state: The state before it.

        Returns:
            The output and the state after it.
        """
        own = state[0].dtype
        return self.pointwise(projected.to(own), functional.linear(state[0], self.recurrent_weight).to(own), state)

    def forward(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], state: StateT
    ) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Read a whole sequence, of at least one step.

        Args:
            inputs: The sequence.
            state: The state before its first step.

        Returns:
            The output of every step, in the products' type, and the state after the last.
        """
        read = self._reader and self._reader(self, inputs, state)
        if read is not None:
            return read
        projected = self.project(inputs)
        outputs, after = read_sequence(
            self._pointwise_part(projected.dtype, state), projected, self.recurrent_weight, state
        )
        return outputs, type(state)(*after)

    def stepper(self, batch_size: int) -> Stepper[StateT]:
        """Prepare to read one step at a time: the weights are cast and packed once.

        Args:
            batch_size: Sequences that will be read side by side.

        Returns:
            A function of one step's inputs and a state, which gives the output and the state after it.
        """
        dtype = product_dtype(self.recurrent_weight)
        table = (self.input_weight.t() + self.bias).detach()
        inputs_product = recurrent_product(self.input_weight, dtype, batch_size)
        product = recurrent_product(self.recurrent_weight, dtype, batch_size)

        def step(inputs: Tensor, state: StateT) -> tuple[Tensor, StateT]:
            own = state[0].dtype
            if inputs.is_floating_point():
                gates = inputs_product(inputs.to(dtype)).to(own) + self.bias
            else:
                gates = functional.embedding(inputs, table)
            return self.pointwise(gates, product(state[0].to(dtype)).to(own), state)

        return step

    def compile_pointwise(self, reader: SequenceReader | None = None) -> None:
        """Have `forward` run the pointwise part compiled, from its next call on.

        Args:
            reader: Reads whole sequences, if it can; else torch compiles the pointwise part.
        """
        self._reader = reader
        self._compiled_parts = {}

    def _pointwise_part(self, dtype: torch.dtype, state: StateT) -> Pointwise:
        if self._compiled_parts is not None:
            made_for, pointwise = self._compiled_parts.get(dtype, (None, None))
            if pointwise is not None and made_for is self:  # a copy of the cell has parameters of its own
                return pointwise
        part = CellPart(self, dtype, type(state))
        shared = {"cell.input_weight", "cell.recurrent_weight", "cell.bias"}
        parameters = [(name, value) for name, value in part.named_parameters() if name not in shared]
        if self._compiled_parts is None:
            return eager(cast("Function", part), [value for _, value in parameters])
        pointwise = compiled(part, parameters)
        self._compiled_parts[dtype] = (self, pointwise)
        return pointwise
