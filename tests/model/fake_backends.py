"""Backends that run a cell in plain torch, each with one property that the choice of backends must handle."""

import time
from typing import Any, ClassVar

from torch import Tensor

from seqforge.kinds import Backend, BackendContext, Cell

calls: list[str] = []
"""Names of the backends whose sequence readers were called, in order."""


class Fake(Backend):
    """Runs the cell's own `forward`, after a pause."""

    name: ClassVar = "fake"
    pause: ClassVar = 0.0

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        return None

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> Any:
        forward = type(cell).forward.__get__(cell)

        def read(inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
            calls.append(self.name)
            time.sleep(self.pause)
            return self.change(*forward(inputs, state))

        return read

    def change(self, outputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        return outputs, state


class Slow(Fake):
    name: ClassVar = "slow"
    pause: ClassVar = 0.2


class Quick(Fake):
    """Returns the outputs of the cell without computing them again, so that it is faster than plain torch."""

    name: ClassVar = "quick"

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> Any:
        read = super().sequence_function(cell, context)
        known: dict[tuple[int, ...], tuple[Tensor, Any]] = {}

        def remember(inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
            if tuple(inputs.shape) in known:
                calls.append(self.name)
            else:
                outputs, after = read(inputs, state)
                known[tuple(inputs.shape)] = outputs.detach(), after
            return known[tuple(inputs.shape)]

        return remember


class Wrong(Quick):
    name: ClassVar = "wrong"

    def change(self, outputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        return outputs + 1, state


class TurnsOneUnit(Quick):
    """Changes one output of the last step, as rounding does in a trained cell."""

    name: ClassVar = "turnsoneunit"

    def change(self, outputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        turned = outputs.detach().clone()
        turned[-1, 0, 0] += 0.1
        return turned, state


class Raises(Fake):
    name: ClassVar = "raises"

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> Any:
        raise ZeroDivisionError("no such instruction")


class Compiles(Fake):
    """Needs a minute of preparation."""

    name: ClassVar = "compiles"

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        return 60.0


class Refuses(Fake):
    name: ClassVar = "refuses"

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        return f"it never runs a {type(cell).__name__}"
