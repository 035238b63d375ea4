"""Results of a cell by name, and their gradients."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqforge.errors import describe_type
from seqforge.kinds import Cell, State, map_state
from seqforge.testing.conformance import ConformanceError
from seqforge.testing.strategies import CellCase

CellResult = tuple[Tensor, State]
"""Outputs `[time, batch, hidden]` of a cell, and the state after the last step."""

Read = Callable[[Cell[Any], Tensor, State], CellResult]
"""Function that reads a sequence with a cell."""


def results_of(result: CellResult) -> dict[str, Tensor]:
    """Return the outputs and the tensors of the last state, by the names that messages give them."""
    outputs, state = result
    return {"the output": outputs, **named_state(state)}


def named_state(state: Any) -> dict[str, Tensor]:
    """Return the tensors of a state as `state.NAME`.

    Raises:
        ConformanceError: If the state is not a NamedTuple.
    """
    if not hasattr(state, "_asdict"):
        raise ConformanceError(f"the state is not a NamedTuple of tensors: got {describe_type(state)}")
    return {f"`state.{name}`": tensor for name, tensor in state._asdict().items()}


def rows_of(state: State, rows: slice) -> State:
    """Return some rows of a state."""
    return map_state(lambda tensor: tensor[rows], state)


def with_gradients(case: CellCase) -> tuple[CellCase, dict[str, Tensor]]:
    """Return a case whose inputs and state are leaves of a new graph, and all leaves by name."""
    inputs = case.inputs.detach().clone().requires_grad_(case.inputs.is_floating_point())
    state = map_state(lambda tensor: tensor.detach().clone().requires_grad_(tensor.is_floating_point()), case.state)
    leaves = {"the input": inputs, **named_state(state)}
    leaves |= {f"`{name}`": parameter for name, parameter in case.cell.named_parameters()}
    leaves = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    return CellCase(case.cell, inputs, state), leaves


def weighted_sum(result: CellResult) -> Tensor:
    """Return a sum of outputs and state in which every number has a different weight."""
    total = torch.zeros((), dtype=torch.float64, device=result[0].device)
    for tensor in (result[0], *result[1]):
        if tensor.is_floating_point():
            weights = torch.linspace(0.5, 1.5, tensor.numel(), dtype=torch.float64, device=tensor.device)
            total = total + (tensor.double() * weights.view_as(tensor)).sum()
    return total


def gradients_of(case: CellCase, read: Read) -> dict[str, Tensor]:
    """Return the gradients of the weighted sum of the results, by the names of the leaves."""
    case, leaves = with_gradients(case)
    total = weighted_sum(read(case.cell, case.inputs, case.state))
    if not total.requires_grad:
        return {f"the gradient of {name}": torch.zeros_like(leaf) for name, leaf in leaves.items()}
    gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return {f"the gradient of {name}": gradient for name, gradient in zip(leaves, gradients, strict=True)}
