"""The backend `inductor`: the elementwise part of any factored cell through `torch.compile`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast

import torch
from torch import Tensor

from seqforge.cells import DifferentiableStep, ElementwisePart, Tensors, read_sequence
from seqforge.interfaces import Backend, BackendContext, Cell, FactoredCell, SequenceReader
from seqforge_native.layout import is_elementwise
from seqforge_native.traced.build import find_compiler


class InductorBackend(Backend):
    """One compiled loop forward and one backward per step; products as in the eager backend."""

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why the cell cannot be compiled; see `Backend.unsupported`."""
        if not isinstance(cell, FactoredCell):
            return f"{type(cell).__name__} is not a FactoredCell: its step is not one product and an elementwise part"
        if not is_elementwise(cell):
            return f"{type(cell).__name__} has a step of its own beside `pointwise`"
        if not all(part.is_floating_point() for part in cell.initial_state(1)):
            return "its state is not of floating-point numbers alone"
        if context.device.type == "cpu" and find_compiler() is None:
            return "torch.compile needs a C++ compiler"
        return None

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        """Return the typical time that torch.compile takes for both passes."""
        return 60.0

    def sequence_reader(self, cell: Cell[Any], context: BackendContext) -> SequenceReader:
        """Return a reader that compiles at its first call."""
        factored = cast("FactoredCell[Any]", cell)
        return InductorReader(factored, compile_step(factored, context.dtype))


@dataclass(frozen=True, slots=True)
class InductorReader:
    """Reads whole sequences of one cell.

    Attributes:
        cell: Cell whose parameters are used.
        step: Compiled elementwise part.
    """

    cell: FactoredCell[Any]
    step: DifferentiableStep

    def __call__(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return the outputs of all steps, and the state after the last step.

        Args:
            inputs: Vectors `[time, batch, input]` or symbols `[time, batch]`.
            state: State before the first step.
        """
        outputs, after = read_sequence(self.step, self.cell.project(inputs), self.cell.recurrent_weight, state)
        return outputs, type(state)(*after)


def compile_step(cell: FactoredCell[Any], dtype: torch.dtype) -> DifferentiableStep:
    """Compile the elementwise part of a cell.

    The backward pass computes the forward pass again, in one loop with the gradients: that is cheaper than keeping it.

    Args:
        cell: Cell whose `pointwise` is compiled.
        dtype: Type of the products.
    """
    part = ElementwisePart(cell, dtype, cast("Callable[..., tuple[Any, ...]]", type(cell.initial_state(1))))
    trainable = part.trainable_parameters()
    names, parameters = tuple(trainable), tuple(trainable.values())

    def run(values: Tensors, arguments: Tensors) -> Tensors:
        return torch.func.functional_call(part, dict(zip(names, values, strict=True)), arguments)

    def pull_back(values: Tensors, arguments: Tensors, gradients: Tensors) -> tuple[Tensors, Tensors]:
        return torch.func.vjp(run, values, arguments)[1](gradients)

    run_compiled, pull_back_compiled = _compiled(run), _compiled(pull_back)

    def forward(arguments: Tensors, learning: bool) -> tuple[Tensors, Any]:
        del learning  # keeping the arguments costs nothing
        return run_compiled(parameters, arguments), arguments

    def backward(kept: Any, gradients: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        values, arguments = pull_back_compiled(parameters, kept, tuple(gradients))
        return [*arguments, *values]

    return DifferentiableStep(forward, backward, parameters)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with code of its own: torch.compile limits how often one code object is compiled."""
    original = cast("FunctionType", function)
    code = original.__code__.replace()
    own = FunctionType(code, original.__globals__, original.__name__, None, original.__closure__)
    return torch.compile(own, fullgraph=True, dynamic=False)
