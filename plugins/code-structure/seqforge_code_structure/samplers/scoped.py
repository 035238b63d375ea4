"""The sampler `scoped`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from seqforge.interfaces import FORBIDDEN, ConstraintAutomaton, Sampler, SamplingContext
from seqforge_code_structure.identifiers.lexicon_file import read_lexicon, read_linux_lexicon
from seqforge_code_structure.samplers.balanced import token_characters
from seqforge_code_structure.samplers.position_table import NOTHING, Place, PositionTable
from seqforge_code_structure.samplers.scoped_grammar import build_grammar

_LEAST = torch.tensor(-1e30)
"""Lower bound of the logits. A symbol with this logit is drawn only if all allowed symbols have it."""


class Memory(NamedTuple):
    """Memory of the sampler after a draw.

    Attributes:
        table: States that the samples have reached.
        places: Place of each sample.
        remaining: Number of symbols that remain to be drawn for each sample.
        unchecked: When this number of symbols remains, the end of the samples has to be considered again.
    """

    table: PositionTable
    places: list[Place]
    remaining: int
    unchecked: int


class Scoped(Sampler):
    """Statements that parse and names that are declared, in generated C.

    In the bodies of functions, this sampler allows only characters that continue C: statements, declarations and
    expressions. An operand may only be a name in scope, or a variable, function or macro of the lexicon. A function
    that returns a value does so in each `return`, and has the labels of its jumps. Brackets, comments and literals are
    balanced as with `balanced`, which this sampler replaces. Each sample ends everything before its end.

    Put this sampler first in the chain.
    """

    def __init__(
        self,
        lexicon: Annotated[
            Path | None,
            Field(
                description="Lexicon file of `seqforge c-lexicon`. Default: that of Linux 6.12, a part of the plugin."
            ),
        ] = None,
    ) -> None:
        self._lexicon = read_lexicon(lexicon) if lexicon else read_linux_lexicon()

    def start(self, context: SamplingContext) -> Memory:
        """Return the memory after the prompt. The prompt itself is not constrained.

        Raises:
            ExperimentError: If a symbol of the vocabulary is not a single character or byte, or one is missing.
        """
        grammar = build_grammar(token_characters(context.vocabulary), self._lexicon)
        table = PositionTable(grammar)
        position = grammar.read(grammar.start(), cast("list[int]", context.prompt.tolist()))
        return _limit(table, [table.find_place(position)] * context.batch_size, context.length)

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Memory) -> Float[Tensor, "batch symbols"]:
        """Return the logits, with minus infinity for the symbols that must not follow."""
        limits = memory.table.limits([place.state for place in memory.places])
        return logits.clamp(_LEAST, torch.from_numpy(limits))

    def advance(self, memory: Memory, tokens: Int[Tensor, " batch"]) -> Memory:
        """Return the memory after a draw."""
        follow, drawn = memory.table.follow, cast("list[int]", tokens.tolist())
        places = [follow(place, token) for place, token in zip(memory.places, drawn, strict=True)]
        return _continue(memory, places, memory.remaining - 1)

    def automaton(self, memory: Memory) -> ConstraintAutomaton:
        """Return an automaton of the known transitions. It stops at others, and near the end of the samples."""
        table, places, remaining, unchecked = memory
        samples = np.array(places, dtype=np.int32)
        return ConstraintAutomaton(
            states=torch.from_numpy(samples[:, 0].copy()),
            next_states=table.next_states,
            actions=table.actions,
            costs=table.costs,
            weights=table.weights,
            stacks=torch.from_numpy(samples[:, 1:].copy()),
            heights=torch.from_numpy((samples[:, 1] != NOTHING).astype(np.int32)),
            remaining=remaining,
            largest_debt=FORBIDDEN,
            valid_until=unchecked,
        )

    def memory_after_stop(self, memory: Memory, stopped: ConstraintAutomaton, tokens: Int[Tensor, " batch"]) -> Memory:
        """Return the memory after a draw for which the automaton had no transition, or for which it is not valid."""
        places: list[Place] = []
        numbers = (stopped.states, stopped.stacks[:, 0], stopped.heights, tokens)
        for state, waiting, height, token in zip(*(cast("list[int]", n.tolist()) for n in numbers), strict=True):
            place = Place(state if state >= 0 else -1 - state, waiting if height else NOTHING)
            places.append(place if state >= 0 else memory.table.follow(place, token))
        return _continue(memory, places, stopped.remaining)


def _continue(memory: Memory, places: list[Place], remaining: int) -> Memory:
    """Return the memory for new places."""
    table = memory.table
    if table.is_full:
        table = PositionTable(table.grammar)
        places = [table.copy_place(memory.table, place) for place in places]
    elif remaining > memory.unchecked:
        return Memory(table, places, remaining, memory.unchecked)
    return _limit(table, places, remaining)


def _limit(table: PositionTable, places: list[Place], remaining: int) -> Memory:
    """Return the memory for places, with regard to the end of the samples."""
    limited = [table.limit(place, remaining) for place in places]
    places = [Place(state, place.waiting) for (state, _), place in zip(limited, places, strict=True)]
    return Memory(table, places, remaining, remaining - min(steps for _, steps in limited))
