"""Generation kernels, with which a backend draws many symbols in one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Int8, Int32
from torch import Tensor

from seqforge.interfaces.cell import Cell, State


@dataclass(frozen=True, slots=True)
class LogitRule:
    """Effect of a sampler without memory on the logits, as a value that compiled code can apply.

    Attributes:
        kind: `temperature` divides by the value; `top-k`, `top-p` and `min-p` forbid what the sampler of that name
            forbids; `greedy` keeps only the likeliest symbol.
        value: Parameter of the rule; a greedy rule has none.
    """

    kind: Literal["temperature", "top-k", "top-p", "min-p", "greedy"]
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class GenerationModel:
    """A language model in parts, with the state and the logit rules that generation starts from.

    Attributes:
        cells: Layers, the lowest first.
        embedding: Vector of each symbol, or None if the lowest cell reads symbols.
        head_weight: Weight from the highest layer to the logits.
        head_bias: Bias of the logits.
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
    """Effect of a sampler with memory on the logits, as a pushdown automaton that compiled code can follow.

    What a sample has opened and must close is measured in weights: a sample owes as many symbols as its state and the
    states on its stack weigh together. Before any logit rule, a symbol is forbidden if its cost would make the sample
    owe more symbols than are left to draw, or more than `most`. If that forbids every symbol, the symbols of the lowest
    cost are allowed. A sample that already owes too much may not owe more.

    All tensors are contiguous and on the CPU. A generation kernel updates states, stacks, heights and `left` in place.

    Attributes:
        states: State of each sample. If the transition after a symbol is not in the table, a kernel stores the
            complement, `-1 - state`, and stops after that symbol.
        following: State after each symbol; -1 if it is not in the table; -2, -3, … for the first, second, … action.
        actions: Number of states to pop off the sample's stack; state to push after that, or -1; and next state,
            or -1 for the state that was popped last. Popping more states than there are is not in the table either.
        costs: How many more symbols a sample owes after each symbol, or `FORBIDDEN`; the lowest cost of a state is
            never `FORBIDDEN`.
        weights: Number of symbols that close what a state has opened.
        stacks: States to return to. A transition that needs more room is not in the table.
        heights: Number of states on each stack.
        left: Symbols still to be drawn for each sample.
        most: Largest number of symbols that a sample may owe.
    """

    states: Int32[Tensor, " batch"]
    following: Int32[Tensor, "states symbols"]
    actions: Int32[Tensor, "actions 3"]
    costs: Int8[Tensor, "states symbols"]
    weights: Int32[Tensor, " states"]
    stacks: Int32[Tensor, "batch depth"]
    heights: Int32[Tensor, " batch"]
    left: int
    most: int


@runtime_checkable
class GenerationKernel(Protocol):
    """A function that draws symbols, and updates the state of the model from call to call."""

    def __call__(
        self,
        last: Int[Tensor, " batch"],
        uniforms: Float[Tensor, "steps batch"],
        automaton: ConstraintAutomaton | None = None,
    ) -> Int[Tensor, "drawn batch"]:
        """Draw symbols: each uniform number selects the symbol at which the distribution function passes it.

        Args:
            last: Symbols that were drawn last.
            uniforms: Numbers in [0, 1).
            automaton: Constraint on the samples; it is updated in place.

        Returns:
            The drawn symbols. There are fewer steps if the automaton stopped, which negative states show, or if the
            logits of the next step are not finite.
        """
        ...
