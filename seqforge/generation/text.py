"""Samples as text: whole, or as they are drawn."""

import codecs
from collections.abc import Iterator, Sequence
from typing import cast

import torch

from seqforge.generation.generator import encode_prompt, generate
from seqforge.interfaces import Sampler, Vocabulary
from seqforge.model import SequenceModel


def stream_text(
    model: SequenceModel,
    vocabulary: Vocabulary,
    samplers: Sequence[Sampler],
    prompt: str | None,
    *,
    length: int,
    seed: int,
) -> Iterator[str]:
    """Draw one sample, and give its text as it comes.

    Args:
        model: On any device.
        vocabulary: The model's.
        samplers: The chain.
        prompt: What it starts with; None for a line's start.
        length: Symbols to draw.
        seed: Decides the draws.

    Yields:
        Pieces of text, without the prompt; a character of several tokens comes whole.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    tokens = encode_prompt(vocabulary, prompt)
    for drawn in generate(model, vocabulary, samplers, tokens, count=1, length=length, seed=seed):
        piece = decoder.decode(vocabulary.decode(cast("list[int]", drawn[:, 0].tolist())))
        if piece:
            yield piece
    if rest := decoder.decode(b"", final=True):
        yield rest


def sample_texts(
    model: SequenceModel,
    vocabulary: Vocabulary,
    samplers: Sequence[Sampler],
    prompt: str | None,
    *,
    count: int,
    length: int,
    seed: int,
) -> list[str]:
    """Draw samples as one batch.

    Args:
        model: On any device.
        vocabulary: The model's.
        samplers: The chain.
        prompt: What each starts with; None for a line's start.
        count: How many.
        length: Symbols to draw for each.
        seed: Decides the draws.

    Returns:
        The texts, each with its prompt.
    """
    tokens = encode_prompt(vocabulary, prompt)
    drawn = list(generate(model, vocabulary, samplers, tokens, count=count, length=length, seed=seed))
    rows = cast("list[list[int]]", torch.cat(drawn).t().tolist())
    return [(prompt or "") + vocabulary.decode(row).decode("utf-8", "replace") for row in rows]
