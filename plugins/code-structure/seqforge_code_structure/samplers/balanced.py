"""Generated C whose brackets balance."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.interfaces import Sampler, SamplingContext
from seqforge_code_structure.samplers.symbols import Symbols
from seqforge_code_structure.samplers.writing import State, after, closing, closing_length, forbidden

_LARGEST_GROWTH = 2
"""Characters by which one character, such as `'`, makes longer what closes everything."""
_OPENERS = "([{\"'/#\\"
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))


class Place(NamedTuple):
    """Where a sample stands.

    Attributes:
        state: What is known of its text.
        near: With so many symbols left, or fewer, what is open may have to be closed.
        row: What may come next, as a row of the table of symbols.
    """

    state: State
    near: int
    row: int


class Writing(NamedTuple):
    """What is known of the samples after a draw.

    Attributes:
        places: Where each sample stands.
        penalties: What is added to the logits: 0 where a symbol may come next, minus infinity elsewhere.
        left: Symbols still to be drawn for each.
        symbols: What each token writes.
        never: What may never be written, as the vocabulary has nothing to close it with.
    """

    places: tuple[Place, ...]
    penalties: Float[Tensor, "batch symbols"]
    left: int
    symbols: Symbols
    never: str


class Balanced(Sampler):
    """Keeps a sample from closing what is not open, and has it close what is open before its end.

    It knows comments, strings, character literals and directives as a compiler does; each branch of an `#if` and each
    macro must be balanced in itself. Once the symbols left are just enough to close everything, it allows nothing else;
    where a prompt leaves more open than that, it closes nothing. Put it first: if the samplers before it left no symbol
    that is allowed, all that are allowed become equally likely.
    """

    def start(self, context: SamplingContext) -> Writing:
        """Read the prompt, in which anything goes.

        Args:
            context: Holds the prompt, the number of samples, their length, and the vocabulary.

        Raises:
            ExperimentError: Where the vocabulary has symbols of several characters.
        """
        symbols = Symbols(context.vocabulary)
        state = State()
        for token in cast("list[int]", context.prompt.tolist()):
            state = after(state, symbols.characters[token])
        never = "".join(opener for opener, closer in _PAIRS if not symbols.has(closer))
        places = (_place(state, context.length, symbols, never),) * context.batch_size
        penalties = symbols.penalties([place.row for place in places])
        return Writing(places, penalties, context.length, symbols, never)

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Writing) -> Float[Tensor, "batch symbols"]:
        """Forbid what must not come next.

        Args:
            logits: From the model, or from the sampler before.
            memory: Where each sample stands.
        """
        penalised = logits + memory.penalties
        # Each row allows something: only what was forbidden before can leave a sample nothing.
        if logits.amin().item() > -math.inf:
            return penalised
        stuck = ~penalised.amax(dim=-1, keepdim=True).isfinite()
        return torch.where(stuck, memory.penalties, penalised)

    def advance(self, memory: Writing, tokens: Int[Tensor, " batch"]) -> Writing:
        """Follow what was drawn.

        Args:
            memory: Where each sample stood.
            tokens: What was drawn for each.
        """
        places, penalties, left, symbols, never = memory
        left -= 1
        followed = list(places)
        for number, token in enumerate(cast("list[int]", tokens.tolist())):
            place = places[number]
            state = after(place.state, symbols.characters[token])
            if state is not place.state or left <= place.near:
                followed[number] = _place(state, left, symbols, never)
        rows = [place.row for place in followed]
        if rows != [place.row for place in places]:
            penalties = symbols.penalties(rows)
        return Writing(tuple(followed), penalties, left, symbols, never)


def _place(state: State, left: int, symbols: Symbols, never: str) -> Place:
    near = closing_length(state) + _LARGEST_GROWTH + 1
    refused = forbidden(state) + never
    if left <= near:
        rest = closing(state)
        if not rest:
            refused += _OPENERS
        elif len(rest) <= left and symbols.has(rest[0]):
            return Place(state, near, symbols.row(rest[0], forbidden=False))
    return Place(state, near, symbols.row(refused, forbidden=True))
