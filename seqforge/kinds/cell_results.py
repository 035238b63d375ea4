"""A cell with a sequence: its results by name, and the gradients of a sum of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqforge.kinds.cell import Cell, State, map_state, named_state, scan

Parts = dict[str, Tensor]
"""Results of a component by the name that a message gives them, such as "`state.hidden`"."""

CellResult = tuple[Tensor, State]
"""Outputs `[time, batch, hidden]` of a cell, and the state after the last step."""

Read = Callable[[Cell[Any], Tensor, State], CellResult]
"""Function that reads a sequence with a cell."""


class CellCase(NamedTuple):
    """A cell, an input sequence, and a state to start from.

    Attributes:
        cell: The cell.
        inputs: Sequence `[time, batch, input]`.
        state: State of the cell after another sequence, so that its values are not zero.
    """

    cell: Cell[Any]
    inputs: Tensor
    state: State


def read_forward(cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
    """Return the outputs and the last state of a cell by a call of it."""
    return cell(inputs, state)


def read_steps(cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
    """Return the outputs and the last state of a cell by the scan of its step."""
    return scan(cell.step, cell.project(inputs), state)


def results_of(result: CellResult) -> Parts:
    """Return the outputs and the tensors of the last state, by the names that messages give them."""
    outputs, state = result
    return {"the output": outputs, **named_state(state)}


def results_with_gradients(case: CellCase, read: Read = read_forward) -> Parts:
    """Return the results of a case, and the gradient of their weighted sum for every leaf, by name."""
    case, leaves = with_gradients(case)
    result = read(*case)
    total = weighted_sum(result)
    gradients = [torch.zeros_like(leaf) for leaf in leaves.values()]
    if total.requires_grad:
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return results_of(result) | {
        f"the gradient of {name}": gradient for name, gradient in zip(leaves, gradients, strict=True)
    }


def with_gradients(case: CellCase) -> tuple[CellCase, Parts]:
    """Return a case whose inputs and state are leaves of a new graph, and all leaves by name."""

    def leaf_of(tensor: Tensor) -> Tensor:
        return tensor.detach().clone().requires_grad_(tensor.is_floating_point())

    inputs, state = leaf_of(case.inputs), map_state(leaf_of, case.state)
    leaves = {"the input": inputs, **named_state(state)}
    leaves |= {f"`{name}`": parameter for name, parameter in case.cell.named_parameters()}
    return CellCase(case.cell, inputs, state), {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}


def weighted_sum(result: CellResult) -> Tensor:
    """Return a sum of outputs and state in which every number has a different weight."""
    total = torch.zeros((), dtype=torch.float64, device=result[0].device)
    for tensor in (result[0], *result[1]):
        if tensor.is_floating_point():
            weights = torch.linspace(0.5, 1.5, tensor.numel(), dtype=torch.float64, device=tensor.device)
            total = total + (tensor.double() * weights.view_as(tensor)).sum()
    return total
