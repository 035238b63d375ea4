"""Generated C whose brackets balance."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.interfaces import Guide, Sampler, SamplingContext
from seqforge_code_structure.samplers.automaton import ROOM, Automaton, Place, automaton_of, far, near
from seqforge_code_structure.samplers.symbols import characters_of
from seqforge_code_structure.samplers.writing import State, after, closing, forbidden

_LEAST = torch.tensor(-1e30)
"""A logit so low that nothing is drawn by it, unless all that are allowed are as low."""
_OPENERS = "([{\"'/#\\"


class Writing(NamedTuple):
    """What is known of the samples after a draw.

    Attributes:
        automaton: Of texts.
        texts: What is known of each sample, where an end may be near or a stack is full; else empty.
        places: Else where each stands in the automaton.
        guide: Or what tells where, after draws by it.
        kinds: Of each, what is forbidden, where no guide tells.
        limits: The same as what logits are cut to.
        left: Symbols still to be drawn for each.
        free: Symbols that each may be given, whatever they are, while the ends are far.
    """

    automaton: Automaton
    texts: list[State]
    places: list[Place]
    guide: Guide | None
    kinds: list[int]
    limits: Float[Tensor, "batch symbols"]
    left: int
    free: int


class Balanced(Sampler):
    """Keeps a sample from closing what is not open, and has it close what is open before its end.

    It knows comments, strings, character literals and directives as a compiler does; each branch of an `#if` and each
    macro must be balanced in itself. Once the symbols left are just enough to close everything, it allows nothing else;
    where a prompt leaves more open than that, it closes nothing. Put it first: kernels can then follow it; and if the
    samplers before it left no symbol that is allowed, all that are allowed become equally likely.
    """

    def start(self, context: SamplingContext) -> Writing:
        """Read the prompt, in which anything goes.

        Args:
            context: Holds the prompt, the number of samples, their length, and the vocabulary.

        Raises:
            ExperimentError: Where the vocabulary has symbols of several characters.
        """
        automaton = automaton_of(characters_of(context.vocabulary))
        state = State()
        for token in cast("list[int]", context.prompt.tolist()):
            state = after(state, automaton.symbols.characters[token])
        return _writing(automaton, [state] * context.batch_size, context.length)

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Writing) -> Float[Tensor, "batch symbols"]:
        """Forbid what must not come next.

        Args:
            logits: From the model, or from the sampler before.
            memory: Where each sample stands.
        """
        limits, kinds, guide = memory.limits, memory.automaton.kinds, memory.guide
        if guide is not None:
            limits = memory.automaton.symbols.of_kinds([kinds[place.number] for place in _places_of(guide)])
        return logits.clamp(_LEAST, limits)

    def advance(self, memory: Writing, tokens: Int[Tensor, " batch"]) -> Writing:
        """Follow what was drawn.

        Args:
            memory: Where each sample stood.
            tokens: What was drawn for each.
        """
        drawn = cast("list[int]", tokens.tolist())
        if memory.texts:
            characters = memory.automaton.symbols.characters
            texts = [after(text, characters[token]) for text, token in zip(memory.texts, drawn, strict=True)]
            return _writing(memory.automaton, texts, memory.left - 1)
        automaton, left, free = memory.automaton, memory.left - 1, memory.free - 1
        places = memory.places if memory.guide is None else _places_of(memory.guide)
        known, kinds, limits = automaton.known, memory.kinds, memory.limits
        moved, same = places, True
        for sample, (place, token) in enumerate(zip(places, drawn, strict=True)):
            if known[place[0], token] != place[0]:
                if same:
                    moved, same = places.copy(), False
                moved[sample] = automaton.follow(place, token)
        if not free or (not same and any(len(place[1]) > ROOM for place in moved)):
            return _writing(automaton, [automaton.state(place) for place in moved], left)
        if not same or memory.guide is not None:
            kinds = [automaton.kinds[place[0]] for place in moved]
            limits = limits if kinds == memory.kinds else automaton.symbols.of_kinds(kinds)
        return Writing(automaton, [], moved, None, kinds, limits, left, free)

    def guide(self, memory: Writing) -> Guide:
        """Say the same as tables.

        Args:
            memory: Where each sample stands.
        """
        automaton, before = memory.automaton, memory.guide
        if before is not None:
            states, stacks, heights = before.states.clone(), before.stacks.clone(), before.heights.clone()
        else:
            # Near an end, each text is a state of its own, of which nothing is known.
            states = torch.tensor([place.number for place in memory.places] or range(len(memory.texts)))
            heights = torch.tensor([len(place.stack) for place in memory.places] or [0] * len(memory.texts))
            stacks = torch.zeros((len(states), ROOM), dtype=torch.int32)
            for row, place in zip(stacks.numpy(), memory.places, strict=False):
                row[: len(place.stack)] = place.stack
        if memory.texts:
            following, limits = torch.full(memory.limits.shape, -1, dtype=torch.int32), memory.limits
        else:
            following, limits = torch.from_numpy(automaton.following), torch.from_numpy(automaton.limits)
        actions = torch.from_numpy(automaton.actions)
        return Guide(states, following, actions, limits, stacks, heights, max(1, memory.free))

    def guided(self, memory: Writing, guide: Guide, tokens: Int[Tensor, "steps batch"]) -> Writing:
        """Follow what was drawn by the tables.

        Args:
            memory: Where each sample stood.
            guide: Where its draws left them.
            tokens: What was drawn.
        """
        if memory.texts:
            return self.advance(memory, tokens[-1])
        automaton, left, free = memory.automaton, memory.left - len(tokens), memory.free - len(tokens)
        states, stacks, heights = guide.states.numpy(), guide.stacks.numpy(), guide.heights.numpy()
        found: dict[int, Place] = {}
        for sample in np.flatnonzero(states < 0).tolist():
            states[sample] = -1 - states[sample]
            place = Place(int(states[sample]), tuple(stacks[sample, : heights[sample]].tolist()))
            found[sample] = automaton.follow(place, int(tokens[-1, sample]))
        if not free or any(len(place.stack) > ROOM for place in found.values()):
            places = [found.get(sample, place) for sample, place in enumerate(_places_of(guide))]
            return _writing(automaton, [automaton.state(place) for place in places], left)
        for sample, (number, stack) in found.items():
            states[sample], heights[sample] = number, len(stack)
            stacks[sample, : len(stack)] = stack
        return Writing(automaton, [], [], guide, [], memory.limits, left, free)


def _writing(automaton: Automaton, texts: list[State], left: int) -> Writing:
    free = far(texts, left)
    places = [automaton.place(text) for text in texts] if free else []
    if any(len(place.stack) > ROOM for place in places):
        places, free = [], 0
    kinds = [automaton.kinds[place.number] for place in places] or [_kind(automaton, text, left) for text in texts]
    limits = automaton.symbols.of_kinds(kinds)
    return Writing(automaton, [] if free else texts, places, None, kinds, limits, left, free)


def _places_of(guide: Guide) -> list[Place]:
    states, heights = cast("list[int]", guide.states.tolist()), cast("list[int]", guide.heights.tolist())
    stacks = cast("list[list[int]]", guide.stacks.tolist())
    rows = zip(states, stacks, heights, strict=True)
    return [Place(number, tuple(stack[:height])) for number, stack, height in rows]


def _kind(automaton: Automaton, text: State, left: int) -> int:
    """Tell what is forbidden where an end may be near."""
    refused, symbols = forbidden(text) + automaton.never, automaton.symbols
    if left <= near(text):
        rest = closing(text)
        if not rest:
            refused += _OPENERS
        elif len(rest) <= left and symbols.has(rest[0]):
            return symbols.kind(rest[0], forbidden=False)
    return symbols.kind(refused)
