"""The sampler `scoped`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from pydantic import Field
from seqforge_code_structure.identifiers.lexicon_file import read_lexicon, read_linux_lexicon
from torch import Tensor

from seqforge.kinds import FORBIDDEN, ConstraintAutomaton, Sampler, SamplingContext
from seqforge_c_samplers.automaton import LEAST_LOGIT, token_characters
from seqforge_c_samplers.position_table import Place, PositionTable
from seqforge_c_samplers.scoped_grammar import build_grammar


class Memory(NamedTuple):
    """Memory of the sampler after a draw.

    Attributes:
        table: States that the samples have reached.
        places: Place of each sample.
        remaining: Number of symbols that remain to be drawn for each sample.
        unchecked: For each sample, the number of remaining symbols at which its end has to be considered again.
    """

    table: PositionTable
    places: list[Place]
    remaining: int
    unchecked: list[int]


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
        grammar = build_grammar(token_characters(context.vocabulary, "c-samplers/scoped"), self._lexicon)
        table = PositionTable(grammar)
        position = grammar.read(grammar.start(), cast("list[int]", context.prompt.tolist()))
        count, length = context.batch_size, context.length
        return _limit(Memory(table, [table.find_place(position)] * count, length, [length] * count))

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Memory) -> Float[Tensor, "batch symbols"]:
        """Return the logits, with minus infinity for the symbols that must not follow."""
        limits = memory.table.limits([state for state, _ in memory.places])
        return logits.clamp(LEAST_LOGIT, torch.from_numpy(limits))

    def advance(self, memory: Memory, tokens: Int[Tensor, " batch"], logits: Tensor) -> Memory:
        """Return the memory after a draw."""
        follow, drawn = memory.table.follow, cast("list[int]", tokens.tolist())
        places = [follow(place, token) for place, token in zip(memory.places, drawn, strict=True)]
        return _continue(memory, places, memory.remaining - 1)

    def automaton(self, memory: Memory) -> ConstraintAutomaton:
        """Return an automaton of the known transitions. It stops at others, and near the end of the samples."""
        table, places, remaining, unchecked = memory
        return ConstraintAutomaton(
            states=np.array([state for state, _ in places], dtype=np.int32),
            next_states=table.next_states,
            actions=table.actions,
            costs=table.costs,
            closing_lengths=table.closing_lengths,
            stacks=np.array([[waiting] for _, waiting in places], dtype=np.int32),
            heights=np.ones(len(places), dtype=np.int32),
            remaining=remaining,
            largest_closing_length=FORBIDDEN,
            valid_until=max(unchecked),
        )

    def resume(
        self, memory: Memory, automaton: ConstraintAutomaton, tokens: Int64[np.ndarray, " batch"]
    ) -> tuple[Memory, ConstraintAutomaton]:
        """Continue after a draw for which the automaton had no transition, or for which it is not valid."""
        table, states, waiting = memory.table, automaton.states, automaton.stacks[:, 0]
        for sample, state in enumerate(cast("list[int]", states.tolist())):
            if state < 0:
                number: int = waiting.item(sample)
                token: int = tokens.item(sample)
                states[sample], waiting[sample] = table.follow((-1 - state, number), token)
        if table.is_full or automaton.remaining <= automaton.valid_until:
            places = list(zip(cast("list[int]", states.tolist()), cast("list[int]", waiting.tolist()), strict=True))
            memory = _continue(memory, places, automaton.remaining)
            table = memory.table
            states[:], waiting[:] = zip(*memory.places, strict=True)
            automaton.valid_until = max(memory.unchecked)
        if automaton.next_states is not table.next_states or automaton.actions is not table.actions:
            automaton = replace(
                automaton,
                next_states=table.next_states,
                actions=table.actions,
                costs=table.costs,
                closing_lengths=table.closing_lengths,
            )
        return memory, automaton


def _continue(memory: Memory, places: list[Place], remaining: int) -> Memory:
    """Return the memory for new places."""
    table, _, _, unchecked = memory
    if table.is_full:
        table = PositionTable(table.grammar)
        places = [table.copy_place(memory.table, place) for place in places]
        unchecked = [remaining] * len(places)
    return _limit(Memory(table, places, remaining, unchecked))


def _limit(memory: Memory) -> Memory:
    """Return the memory with regard to the end of the samples."""
    table, places, remaining, unchecked = memory
    if remaining > max(unchecked):
        return memory
    places, unchecked = places.copy(), unchecked.copy()
    for sample, place in enumerate(places):
        if remaining <= unchecked[sample]:
            places[sample], steps = table.limit(place, remaining)
            unchecked[sample] = remaining - steps
    return Memory(table, places, remaining, unchecked)
