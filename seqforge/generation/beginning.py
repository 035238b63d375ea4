"""Prompts whose last symbol may be the beginning of a longer one, as in vocabularies of parts of words.

With the symbols "un" and "until", the prompt "un" would be encoded as a symbol that the training text has only before
other letters, so that the model never writes "until". Its last symbol is therefore drawn again, among the symbols that
begin with it. This is known as token healing.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqforge.kinds import CodedVocabulary, RedrawingSampler, Sampler, SamplingContext, Vocabulary


class BeginsWith(Sampler):
    """A sampler that allows only symbols whose text has a given beginning, in UTF-8, at the first draw."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = beginning

    def start(self, context: SamplingContext) -> Any:
        """Return which symbols the first draw forbids."""
        return ~torch.tensor(symbols_with(context.vocabulary, self._beginning))

    def transform(
        self, logits: Float[Tensor, "batch symbols"], memory: Bool[Tensor, " symbols"] | None
    ) -> Float[Tensor, "batch symbols"]:
        """Forbid symbols before the first draw, and none after it."""
        return logits if memory is None else logits.masked_fill(memory, -torch.inf)

    def advance(self, memory: Any, tokens: Int[Tensor, " batch"], logits: Float[Tensor, "batch symbols"]) -> None:
        """Return that every symbol is allowed."""


def split_prompt(
    vocabulary: Vocabulary, samplers: Sequence[Sampler], tokens: Int[Tensor, " length"]
) -> tuple[Int[Tensor, " shorter"], bytes]:
    """Return the symbols of a prompt that the model reads, and what the text of the first drawn symbol begins with.

    The beginning is empty, unless the last symbol is the beginning of a longer one. It is empty as well if a sampler
    redraws, which cannot be combined with a sampler that has a memory.
    """
    # The symbols of a coded vocabulary have one code each, so that none begins with another one.
    redraws = any(isinstance(sampler, RedrawingSampler) for sampler in samplers)
    if len(tokens) > 1 and not redraws and not isinstance(vocabulary, CodedVocabulary):
        last = vocabulary.decode([int(tokens[-1])])
        if last and sum(symbols_with(vocabulary, last)) > 1:
            return tokens[:-1], last
    return tokens, b""


def symbols_with(vocabulary: Vocabulary, beginning: bytes) -> list[bool]:
    """Return for each symbol whether its text has a given beginning."""
    return [vocabulary.decode_tokens([token]).startswith(beginning) for token in range(vocabulary.size)]
