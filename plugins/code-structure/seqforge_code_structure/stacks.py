"""Open brackets, under both assignments of the preprocessor's conditions at once."""

from __future__ import annotations

from typing import NamedTuple

from seqforge_code_structure.fault import Fault
from seqforge_code_structure.lexing.conditions import ALL_FALSE, ALL_TRUE, BOTH
from seqforge_code_structure.limits import DEEPEST_NESTING

OPENER = {")": "(", "]": "[", "}": "{"}
"""Of each closing bracket the one that it closes."""

KIND = {"(": 1, "[": 2, "{": 4}
"""Of each opening bracket its bit among the kinds of brackets that are open."""


class Open(NamedTuple):
    """A bracket that is open, on top of those around it; a stack is its topmost bracket, or None.

    Attributes:
        below: The brackets around it.
        bracket: `(`, `[` or `{`.
        position: Where it stands in the text.
        depth: How many are open, this one included.
        kinds: Of which kinds they are, as bits of `KIND`.
    """

    below: Open | None
    bracket: str
    position: int
    depth: int
    kinds: int


def _opened(top: Open | None, bracket: str, position: int) -> Open:
    depth, kinds = (top.depth, top.kinds) if top else (0, 0)
    return Open(top, bracket, position, depth + 1, kinds | KIND[bracket])


class Stacks:
    """Two stacks, which are one and the same object wherever conditions make no difference.

    Args:
        beginning_missing: Whether brackets that are closed here may have been opened before the text began.

    Attributes:
        all_true: Where every condition holds.
        all_false: Where none does.
        beginning_missing: As given; `clear` ends it.
    """

    __slots__ = ("all_false", "all_true", "beginning_missing")

    def __init__(self, beginning_missing: bool = False) -> None:
        self.all_true: Open | None = None
        self.all_false: Open | None = None
        self.beginning_missing = beginning_missing

    @property
    def empty(self) -> bool:
        """Whether no bracket is open, under either assignment."""
        return self.all_true is None and self.all_false is None

    @property
    def full(self) -> bool:
        """Whether no further bracket may be opened."""
        return any(top is not None and top.depth >= DEEPEST_NESTING for top in (self.all_true, self.all_false))

    def clear(self) -> None:
        """Forget all that is open."""
        self.all_true = self.all_false = None
        self.beginning_missing = False

    def open(self, bracket: str, position: int, compiled: int) -> None:
        """Open a bracket.

        Args:
            bracket: Which.
            position: Where it stands.
            compiled: The assignments under which it is there.
        """
        same = self.all_true is self.all_false
        if compiled & ALL_TRUE:
            self.all_true = _opened(self.all_true, bracket, position)
        if compiled & ALL_FALSE:
            if same and compiled == BOTH:
                self.all_false = self.all_true
            else:
                self.all_false = _opened(self.all_false, bracket, position)

    def close(self, bracket: str, position: int, compiled: int) -> Fault | None:
        """Close a bracket.

        A bracket that closes nothing is passed over; one that closes another than the last closes those after it too.

        Args:
            bracket: Which.
            position: Where it stands.
            compiled: The assignments under which it is there.

        Returns:
            What is wrong, or None.
        """
        same = self.all_true is self.all_false
        fault = None
        if compiled & ALL_TRUE:
            self.all_true, fault = self._closed(self.all_true, bracket, position)
        if compiled & ALL_FALSE:
            if same and compiled == BOTH:
                self.all_false = self.all_true
            else:
                self.all_false, other = self._closed(self.all_false, bracket, position)
                fault = fault or other
        return fault

    def _closed(self, top: Open | None, bracket: str, position: int) -> tuple[Open | None, Fault | None]:
        if top is None:
            return None, None if self.beginning_missing else Fault(position, f"{bracket!r} closes nothing")
        opener = OPENER[bracket]
        if top.bracket == opener:
            return top.below, None
        if not top.kinds & KIND[opener] and not self.beginning_missing:
            return top, Fault(position, f"{bracket!r} closes nothing; {top.bracket!r} is open")
        # What is passed over here is closed, so that all such walks together are as long as the text.
        match: Open | None = top
        while match is not None and match.bracket != opener:
            match = match.below
        return match.below if match else None, Fault(top.position, f"{top.bracket!r} is not closed before {bracket!r}")

    def unclosed(self) -> list[Fault]:
        """Give what is still open under either assignment, as faults in order; an end without its beginning counts."""
        positions: dict[int, str] = {}
        for top in {id(top): top for top in (self.all_true, self.all_false)}.values():
            while top is not None:
                positions[top.position] = top.bracket
                top = top.below
        return [Fault(position, f"{bracket!r} is never closed") for position, bracket in sorted(positions.items())]
