"""Sequences drawn by a chain of samplers, from what was read."""

from collections.abc import Sequence
from typing import cast

import torch

from seqforge.generation.beam import Written
from seqforge.generation.generator import draw, refuse_not_finite, uniforms_of
from seqforge.generation.target_vocabulary import WrittenSymbols
from seqforge.interfaces import Sampler, SamplingContext
from seqforge.model import Reading, SequenceModel


def draw_sequences(
    model: SequenceModel,
    symbols: WrittenSymbols,
    samplers: Sequence[Sampler],
    reading: Reading,
    *,
    length: int,
    seed: int,
) -> list[Written]:
    """Draw a sequence for each row, to its end.

    Args:
        model: In evaluation mode, with a writer.
        symbols: What it writes.
        samplers: The chain; each transforms what the one before gave.
        reading: What was read.
        length: Symbols to draw at most; then a sequence ends, whatever that costs it.
        seed: Decides the draws.

    Raises:
        RunError: Where the model's logits are not finite.
        PluginError: Where a sampler forbids every symbol.
    """
    rows, device = len(reading.lengths), reading.lengths.device
    uniforms = uniforms_of(seed, rows)
    source = model.source(reading)
    step, states = model.writing_stepper(rows), model.write_states(rows)
    drawn = torch.full((rows,), symbols.end)
    context = SamplingContext(drawn[:1], rows, length, symbols)
    memories = [sampler.start(context) for sampler in samplers]
    ended = torch.zeros(rows, dtype=torch.bool)
    totals = torch.zeros(rows)
    written: list[list[int]] = [[] for _ in range(rows)]
    for _ in range(length):
        logits, states = step(drawn.to(device), source, states)
        logits = logits.float().cpu()
        drawn = draw(logits, samplers, memories, uniforms(1)[0])
        memories = [sampler.advance(memory, drawn) for sampler, memory in zip(samplers, memories, strict=True)]
        likelihoods = logits.log_softmax(-1).gather(1, drawn.unsqueeze(1)).squeeze(1)
        totals += likelihoods.masked_fill(ended, 0.0)
        ended |= drawn == symbols.end
        if bool(ended.all()):
            break
        for row in cast("list[int]", (~ended).nonzero().flatten().tolist()):
            written[row].append(int(drawn[row]))
    else:
        # What was cut off ends here, whatever that costs it, as in a beam search.
        logits, _ = step(drawn.to(device), source, states)
        refuse_not_finite(logits)
        ends = logits.float().cpu().log_softmax(-1)[:, symbols.end]
        totals += ends.masked_fill(ended, 0.0)
    return [Written(row, float(total)) for row, total in zip(written, totals, strict=True)]
