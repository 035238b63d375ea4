"""Generated C whose brackets balance."""

from __future__ import annotations

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


class Writing(NamedTuple):
    """What is known of the samples after a draw.

    Attributes:
        states: Where each sample stands.
        left: Symbols still to be drawn for each.
        symbols: What each token writes.
        never: What may never be written, as the vocabulary has nothing to close it with.
    """

    states: tuple[State, ...]
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
        return Writing((state,) * context.batch_size, context.length, symbols, never)

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Writing) -> Float[Tensor, "batch symbols"]:
        """Forbid what must not come next.

        Args:
            logits: From the model, or from the sampler before.
            memory: Where each sample stands.
        """
        penalties = memory.symbols.penalties([_row(state, memory) for state in memory.states])
        penalised = logits + penalties
        stuck = ~penalised.amax(dim=-1, keepdim=True).isfinite()
        return torch.where(stuck, penalties, penalised)

    def advance(self, memory: Writing, tokens: Int[Tensor, " batch"]) -> Writing:
        """Follow what was drawn.

        Args:
            memory: Where each sample stood.
            tokens: What was drawn for each.
        """
        drawn = cast("list[int]", tokens.tolist())
        characters = memory.symbols.characters
        states = tuple(after(state, characters[token]) for state, token in zip(memory.states, drawn, strict=True))
        return memory._replace(states=states, left=memory.left - 1)


def _row(state: State, memory: Writing) -> int:
    """Choose what may come next, as a row of the table."""
    refused = forbidden(state) + memory.never
    if memory.left <= closing_length(state) + _LARGEST_GROWTH + 1:
        rest = closing(state)
        if not rest:
            refused += _OPENERS
        elif len(rest) <= memory.left and memory.symbols.has(rest[0]):
            return memory.symbols.row(rest[0], forbidden=False)
    return memory.symbols.row(refused, forbidden=True)
