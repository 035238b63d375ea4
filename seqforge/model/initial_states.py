"""The states that sequences start from: learned ones, and resets where a document starts within a sequence."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from seqforge.hardware import send
from seqforge.kinds import Cell, State


class LearnedStates(nn.ModuleList):
    """Initial states of several cells as parameters, which start from the cells' own initial states.

    A parameter is a vector, so that neither weight decay nor the updates of matrices apply to it. A tensor of integers
    is not learned.
    """

    def __init__(self, cells: Sequence[Cell[Any]]) -> None:
        # A name may be that of a method of `ParameterDict`, so that the parts of a state have numbers.
        states = [enumerate(cell.initial_state(1)) for cell in cells]
        super().__init__(
            nn.ParameterDict(
                {str(number): part.detach().flatten().clone() for number, part in state if part.is_floating_point()}
            )
            for state in states
        )

    def fill(self, index: int, state: State) -> State:
        """Return the learned state of a cell, in the shape of another initial state, whose integers it keeps."""
        learned = cast("nn.ParameterDict", self[index])
        parts = list(state)
        for number, parameter in learned.items():
            part = parts[int(number)]
            # The rows are copies, since a backend may need them in contiguous memory.
            parts[int(number)] = parameter.view(part.shape[1:]).expand_as(part).contiguous()
        return type(state)(*parts)


def read_documents(
    cell: Callable[[Tensor, State], tuple[Tensor, State]],
    inputs: Tensor,
    state: State,
    starts: Bool[Tensor, "time batch"],
    initial: State,
) -> tuple[Tensor, State]:
    """Compute a sequence in which documents start, with the state of a row reset before the first step of each.

    The sequence is cut where a document starts in any row, and a cell reads the pieces one after another. So this holds
    for every cell and backend, and takes one more call for each step at which a document starts. `starts` is on the
    CPU, and the initial state that of one row.

    Returns:
        The output of every step, and the state after the last step.
    """
    cuts = cast("list[int]", starts[1:].any(1).nonzero().flatten().tolist())
    marks = send(starts, inputs.device)
    outputs: list[Tensor] = []
    for begin, end in pairwise([0, *(cut + 1 for cut in cuts), len(inputs)]):
        state = _reset(state, marks[begin], initial)
        output, state = cell(inputs[begin:end], state)
        outputs.append(output)
    return torch.cat(outputs), state


def _reset(state: State, rows: Bool[Tensor, " batch"], initial: State) -> State:
    """Return a state in which some rows have the initial state."""
    parts = zip(state, initial, strict=True)
    return type(state)(*(torch.where(rows.view(-1, *[1] * (part.ndim - 1)), first, part) for part, first in parts))
