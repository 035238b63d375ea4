"""Generation at a stretch: what a cell may offer where a model is of its kind all through."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int, Int8, Int32
from torch import Tensor

from seqforge.interfaces.cell import Cell, State


@dataclass(frozen=True, slots=True)
class LogitRule:
    """What a sampler without memory does to logits, as a value that compiled code can follow.

    Attributes:
        kind: `temperature` divides by the value; `top-k`, `top-p` and `min-p` forbid what the sampler of that name
            forbids; `greedy` leaves the likeliest symbol alone.
        value: The number that goes with it; a greedy rule has none.
    """

    kind: Literal["temperature", "top-k", "top-p", "min-p", "greedy"]
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class GenerationModel:
    """A model that reads symbols and writes logits, in parts.

    Attributes:
        cells: The layers, the lowest first.
        embedding: What the lowest cell reads of each symbol, or None where it reads symbols themselves.
        head_weight: From the uppermost layer to logits.
        head_bias: The same.
        int8: Whether to multiply in 8 bits.
    """

    cells: Sequence[Cell[Any]]
    embedding: Float[Tensor, "symbols input"] | None
    head_weight: Float[Tensor, "symbols hidden"]
    head_bias: Float[Tensor, " symbols"]
    int8: bool = False


FORBIDDEN = 127
"""The cost of a symbol that a guide never allows."""


@dataclass(slots=True)
class ConstraintAutomaton:
    """What a sampler with a memory does to logits, as a pushdown automaton that compiled code can follow.

    What a sample has begun and must end is told by weights: a sample owes as many symbols as its state and the states
    on its stack weigh together. Before any rule, a symbol is forbidden whose cost would make it owe more than will be
    left to draw, or more than the most. Where that leaves none, those of the lowest cost are allowed. A sample that
    owes too much already is only kept from owing more.

    All tensors are contiguous and on the CPU. A decoder moves states, stacks, heights and what is left on in place.

    Attributes:
        states: The state of each sample. Where it is not known what follows a symbol, a decoder
            leaves the complement, `-1 - state`, and stops after that symbol.
        following: The state after each symbol; -1 where that is not known; or -2, -3
            and so on for the first, the second of the actions.
        actions: How many states to pop off the sample's stack; the state to push after that,
            or -1; and the state to go to, or -1 for the one that was popped last. To pop more than there are is not
            known either.
        costs: How much more a sample owes after each symbol, or `FORBIDDEN`; the lowest of a
            state is not that.
        weights: Symbols that end what a state has begun.
        stacks: States to return to. What would need more room is not known.
        heights: How many states are on each stack.
        left: Symbols still to be drawn for each sample.
        most: Symbols that a sample may owe.
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
    """Goes on from what was drawn last, and carries the model's state from call to call."""

    def __call__(
        self,
        last: Int[Tensor, " batch"],
        uniforms: Float[Tensor, "steps batch"],
        automaton: ConstraintAutomaton | None = None,
    ) -> Int[Tensor, "drawn batch"]:
        """Draw: each uniform number picks the symbol at which the distribution function passes it.

        Args:
            last: The symbols that were drawn last.
            uniforms: In [0, 1).
            automaton: What is forbidden as the samples grow; it is moved on.

        Returns:
            The symbols. Fewer steps where the guide stopped, which some of its states then tell, or
            where the logits of the next step are not finite, and then none of them does.
        """
        ...


@runtime_checkable
class GeneratingCell(Protocol):
    """A cell that can generate at a stretch; the engine asks the lowest."""

    def generation_kernel(
        self, network: GenerationModel, states: Sequence[State], rules: Sequence[LogitRule]
    ) -> GenerationKernel | None:
        """Prepare to generate.

        Args:
            network: The whole model.
            states: Every layer's, after what was read so far.
            rules: What is done to the logits before a draw, in order.

        Returns:
            The decoder, or None where it cannot serve this model, or not in 8 bits where those are asked for.
        """
        ...
