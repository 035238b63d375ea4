"""Samples as text: several samples drawn as one batch, or one sample streamed while it is drawn."""

import codecs
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from seqforge.distribution import ALONE, World
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.generation.generator import check_minimum, generate
from seqforge.generation.prompt import encode_prompt
from seqforge.kinds import Sampler, Vocabulary
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
    """Yield the text of one sample while it is drawn, without its prompt. A prompt of None is a line break.

    Yields:
        Pieces of text. A character that consists of several tokens is never split.
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
    report: Report = no_report,
    world: World = ALONE,
) -> list[str]:
    """Draw samples in one batch, and return each with its prompt.

    A prompt of None is a line break, which is not a part of the returned text. The samples are divided over the
    processes of `world`, all of which return the same texts. The errors are those of `encode_prompt` and `generate`.
    """
    check_minimum("count", count, 1)
    own = world.share(count)

    def draw_own() -> list[str]:
        chunks: list[Tensor] = []
        steps = 0
        tokens = encode_prompt(vocabulary, prompt)
        for chunk in generate(model, vocabulary, samplers, tokens, count=count, length=length, seed=seed, own=own):
            chunks.append(chunk)
            steps += len(chunk)
            report(WorkProgressed("sampling", steps / length))
        rows = cast("list[list[int]]", torch.cat(chunks).t().tolist())
        return [(prompt or "") + vocabulary.decode(row).decode("utf-8", "replace") for row in rows]

    return [text for texts in world.collect(draw_own if own else list) for text in texts]
