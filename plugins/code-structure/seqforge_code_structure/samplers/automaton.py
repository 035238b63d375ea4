"""The `grammar` as tables of numbers, with a stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Int8, Int32
from numpy.typing import NDArray
from torch import Tensor

from seqforge_code_structure.samplers.grammar import State, after

Action = tuple[int, int, int]
"""As of a `ConstraintAutomaton`."""
UNKNOWN = -1
"""The entry for what follows where no action tells it."""


class Stack(NamedTuple):
    """States to return to.

    Attributes:
        number: Of the innermost.
        below: The stack without it; None of the `BOTTOM`, which is on no state.
        owed: Characters that close all of them.
    """

    number: int
    below: Stack | None
    owed: int

    def numbers(self) -> list[int]:
        """Give those of the states, the outermost first."""
        found: list[int] = []
        stack = self
        while stack.below is not None:
            found.append(stack.number)
            stack = stack.below
        return found[::-1]


BOTTOM = Stack(0, None, 0)


@dataclass(eq=False, repr=False)
class Automaton:
    """Tables of how a text may go on; what their numbers mean is told by `ConstraintAutomaton`.

    Attributes:
        characters: What each token writes.
        states: By number; the first is that of an empty text.
        following: The state after each token, or an action. What drops all that is inside a directive is unknown.
        actions: Those of `following`.
        costs: By how many characters each token makes longer what closes everything, or `FORBIDDEN`.
        weights: Characters that close what a state has open, without what its stack has.
        limits: `[states, symbols]`, minus infinity where a token is forbidden, however far the end is; else infinity.
        slack: What a state's weight and a token's cost come to at most.
        entries: `following` as lists, where single numbers are looked up three times as fast.
    """

    characters: tuple[str, ...]
    states: tuple[State, ...]
    following: Int32[Tensor, "states symbols"]
    actions: Int32[Tensor, "actions 3"]
    costs: Int8[Tensor, "states symbols"]
    weights: Int32[Tensor, " states"]
    limits: NDArray[np.float32]
    slack: int

    def __post_init__(self) -> None:
        self.entries = cast("list[list[int]]", self.following.tolist())
        self._actions = cast("list[Action]", self.actions.tolist())
        self._weights = cast("list[int]", self.weights.tolist())

    def follow(self, number: int, stack: Stack, token: int) -> tuple[int, Stack]:
        """Go on by a token.

        Args:
            number: Of the state.
            stack: What waits.
            token: What was written.

        Returns:
            The next state's number, and its stack.
        """
        entry = self.entries[number][token]
        if entry >= 0:
            return entry, stack
        if entry != UNKNOWN:
            _, pushed, target = self._actions[-2 - entry]
            return (stack.number, stack.below or BOTTOM) if pushed < 0 else (target, self.on_top(pushed, stack))
        while stack.below and self.states[stack.number].directive is not None:
            stack = stack.below
        ended = after(self.states[number], self.characters[token])
        return self.states.index(ended.states[0]), stack

    def on_top(self, number: int, stack: Stack) -> Stack:
        """Let a state wait.

        Args:
            number: Of the state.
            stack: What waits already.
        """
        return Stack(number, stack, self._weights[number] + stack.owed)
