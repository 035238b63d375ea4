"""The backend `inductor`: the elementwise part of any factored cell through `torch.compile`."""

import inspect
import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from seqforge.cells import DifferentiableStep, ElementwisePart, Tensors, read_sequence
from seqforge.kinds import Backend, BackendContext, Cell, FactoredCell, SequenceFunction

_COMPILES_CELLS_APART = "isolate_recompiles" in inspect.signature(cast("Any", torch.compile)).parameters


class InductorBackend(Backend):
    """One compiled loop forward and one backward per step; products as in the eager backend."""

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why the cell cannot be compiled; see `Backend.unsupported`."""
        name = type(cell).__name__
        if not isinstance(cell, FactoredCell):
            return f"{name} is not a FactoredCell"
        if cell.equations is None and type(cell).step is not FactoredCell.step:
            return f"{name} overrides `step`, so that its step may be more than one product and `pointwise`"
        if not _COMPILES_CELLS_APART:
            return "this version of torch.compile has no option `isolate_recompiles`; that of torch 2.13 has"
        if not all(part.is_floating_point() for part in cell.initial_state(1)):
            return "its state has tensors of integers"
        if context.device.type == "cpu" and find_compiler() is None:
            return "torch.compile needs a C++ compiler"
        return None

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        """Return the typical time in which torch.compile compiles both passes."""
        return 60.0

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Return a reader that compiles at its first call."""
        factored = cast("FactoredCell[Any]", cell)
        return partial(_read, factored, compile_step(factored, context.dtype))


def _read(cell: FactoredCell[Any], step: DifferentiableStep, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    outputs, after = read_sequence(step, cell.project(inputs), cell.recurrent_matrix(), state)
    return outputs, type(state)(*after)


def compile_step(cell: FactoredCell[Any], dtype: torch.dtype) -> DifferentiableStep:
    """Compile the elementwise part of a cell, for products in a type.

    The backward pass repeats the forward pass in one loop with the gradients, which is faster than storing it.
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
        del learning  # the arguments are stored in any case
        return run_compiled(parameters, arguments), arguments

    def backward(arguments: Any, gradients: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        values, arguments = pull_back_compiled(parameters, arguments, tuple(gradients))
        return [*arguments, *values]

    return DifferentiableStep(forward, backward, parameters)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function, whatever the number of cells.

    The first batch size is compiled as a constant, and a second one as a variable: a third needs no compilation.
    Without `isolate_recompiles`, torch.compile would compile the code of a function for eight cells at most.
    """
    return cast("Any", torch.compile)(function, fullgraph=True, isolate_recompiles=True)


def find_compiler() -> str | None:
    """Return the C++ compiler: the one that CXX names, or the first of c++, g++ and clang++ on the path."""
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), "c++", "g++", "clang++"))), None)
