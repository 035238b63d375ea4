"""Sequences drawn by a chain of samplers, from what was read."""

from collections.abc import Sequence
from typing import cast

import torch

from seqforge.generation.beam import DecodedSequence
from seqforge.generation.generator import check_finite, draw, uniforms_of
from seqforge.generation.target_vocabulary import TargetVocabulary
from seqforge.interfaces import Sampler, SamplingContext
from seqforge.model import EncoderOutput, SequenceModel


def draw_sequences(
    model: SequenceModel,
    symbols: TargetVocabulary,
    samplers: Sequence[Sampler],
    encoded: EncoderOutput,
    *,
    length: int,
    seed: int,
) -> list[DecodedSequence]:
    """Draw a sequence for each row, to its end.

    Args:
        model: In evaluation mode, with a writer.
        symbols: What it writes.
        samplers: The chain; each transforms what the one before gave.
        encoded: What was read.
        length: Symbols to draw at most; then a sequence ends, whatever that costs it.
        seed: Decides the draws.

    Raises:
        RunError: Where the model's logits are not finite.
        PluginError: Where a sampler forbids every symbol.
    """
    rows, device = len(encoded.lengths), encoded.lengths.device
    uniforms = uniforms_of(seed, rows)
    decoder_context = model.decoder_context(encoded)
    step, states = model.decoder_stepper(rows), model.decoder_states(rows)
    drawn = torch.full((rows,), symbols.end)
    context = SamplingContext(drawn[:1], rows, length, symbols)
    memories = [sampler.start(context) for sampler in samplers]
    ended = torch.zeros(rows, dtype=torch.bool)
    totals = torch.zeros(rows)
    written: list[list[int]] = [[] for _ in range(rows)]
    for _ in range(length):
        logits, states = step(drawn.to(device), decoder_context, states)
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
        logits, _ = step(drawn.to(device), decoder_context, states)
        check_finite(logits)
        ends = logits.float().cpu().log_softmax(-1)[:, symbols.end]
        totals += ends.masked_fill(ended, 0.0)
    return [DecodedSequence(row, float(total)) for row, total in zip(written, totals, strict=True)]
