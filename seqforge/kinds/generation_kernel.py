"""Generation kernels, with which a backend draws many symbols in one call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, Int8, Int32, Int64
from torch import Tensor

from seqforge.kinds.cell import Cell, State

__all__ = ["FORBIDDEN", "ConstraintAutomaton", "GenerationKernel", "GenerationModel", "LogitRule", "Resume"]


@dataclass(frozen=True, slots=True)
class LogitRule:
    """The change that a sampler without memory makes to the logits, as a value that compiled code can apply.

    Attributes:
        kind: `temperature` divides the logits by the value; `top-k`, `top-p` and `min-p` forbid the symbols that the
            sampler of the same name forbids; `greedy` forbids all symbols but the most probable one.
        value: Parameter of the rule; `greedy` ignores it.
    """

    kind: Literal["temperature", "top-k", "top-p", "min-p", "greedy"]
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class GenerationModel:
    """The parts of a language model that a generation kernel needs, with its state after the prompt.

    Attributes:
        cells: Layers, the lowest first.
        embedding: Vector of each symbol, or None if the lowest cell reads symbols.
        head_weight: Weight of the head, which maps the output of the highest layer to the logits.
        head_bias: Bias of the head.
        states: State of every layer after the prompt.
        rules: Changes to the logits before a draw, in order.
        dtype: Type of the matrix products: float32, bfloat16 or int8.
    """

    cells: Sequence[Cell[Any]]
    embedding: Float[Tensor, "symbols input"] | None
    head_weight: Float[Tensor, "symbols hidden"]
    head_bias: Float[Tensor, " symbols"]
    states: Sequence[State]
    rules: Sequence[LogitRule]
    dtype: torch.dtype


FORBIDDEN = 127
"""Cost of a symbol that a constraint automaton never allows."""


@dataclass(slots=True)
class ConstraintAutomaton:
    """The constraint that a sampler with memory puts on symbols, as a pushdown automaton that compiled code can follow.

    The closing length of a state is the number of symbols that close what the state has opened, such as a bracket. That
    of a sample is the sum of those of its state and of the states on its stack. Before any logit rule, a symbol is
    forbidden if after it the closing length would exceed `largest_closing_length`, or the number of symbols that then
    remain. A closing length that already exceeds a limit must not grow. If this forbids every symbol, the symbols with
    the lowest cost are allowed.

    The tables are tensors on the CPU. States, stacks and heights are NumPy arrays, since the sampler reads and writes
    single numbers of them whenever the automaton stops. All are contiguous. A generation kernel updates the arrays and
    `remaining` in place. When the automaton stops, the sampler continues it, or returns another one.

    Attributes:
        states: State of each sample. If the transition after a symbol is not in the table, a kernel stores the
            complement, `-1 - state`, and the automaton stops after that symbol.
        next_states: State after each symbol; -1 if it is not in the table; -2, -3, … for the first, second, … action.
        actions: Number of states to pop off the sample's stack; state to push after that, or -1; and next state,
            or -1 for the state that was popped last. An action that pops more states than the stack has counts as a
            transition that is not in the table.
        costs: Increase of the closing length after each symbol, or `FORBIDDEN`; every state has a symbol that is not
            forbidden.
        closing_lengths: Closing length of each state.
        stacks: States to return to. An action for which the stack is too small counts as a transition that is not in
            the table.
        heights: Number of states on each stack.
        remaining: Number of symbols still to be drawn for each sample.
        largest_closing_length: Largest allowed closing length of a sample.
        valid_until: When only this number of symbols remains to be drawn, the automaton stops.
    """

    states: Int32[np.ndarray, " batch"]
    next_states: Int32[Tensor, "states symbols"]
    actions: Int32[Tensor, "actions 3"]
    costs: Int8[Tensor, "states symbols"]
    closing_lengths: Int32[Tensor, " states"]
    stacks: Int32[np.ndarray, "batch depth"]
    heights: Int32[np.ndarray, " batch"]
    remaining: int
    largest_closing_length: int
    valid_until: int = 0


Resume = Callable[[Int64[np.ndarray, " batch"]], ConstraintAutomaton | None]
"""A function that continues an automaton that stopped.

It receives the last symbol of each sample. It returns the automaton, updated in place, or another one if a table or an
array is another one. It returns None if the automaton cannot be continued.
"""


@runtime_checkable
class GenerationKernel(Protocol):
    """A function that draws symbols, and updates the state of the model from call to call."""

    def __call__(
        self,
        last: Int[Tensor, " batch"],
        uniforms: Float[Tensor, "steps batch"],
        automaton: ConstraintAutomaton | None = None,
        resume: Resume | None = None,
    ) -> Int[Tensor, "drawn batch"]:
        """Draw symbols by inverse transform sampling, and update the state of the model.

        Args:
            last: Symbol that was drawn last for each sample.
            uniforms: Uniform random numbers in [0, 1), one for each draw.
            automaton: Constraint on the samples; updated in place, as are those that `resume` returns.
            resume: Function that the kernel calls whenever the automaton stops, before it draws more. Without it, the
                kernel draws no more.

        Returns:
            The drawn symbols. There are fewer than `steps` if the automaton was not continued, or if the logits of
            the next step are not finite. There are also fewer if `resume` leaves a state, a height or a number on a
            stack that is out of range, which a kernel must check; the engine then reports it.
        """
        ...
