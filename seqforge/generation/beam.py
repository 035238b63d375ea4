"""Beam search: the likeliest sequence that a writer writes, as far as a beam of some width can see."""

from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from seqforge.generation.generator import check_finite
from seqforge.interfaces import map_state
from seqforge.model import EncoderOutput, SequenceModel


@dataclass(frozen=True, slots=True)
class DecodedSequence:
    """A sequence that was written.

    Attributes:
        symbols: Without the end.
        log_probability: Of all of it, the end included, in nats.
    """

    symbols: list[int]
    log_probability: float


def beam_search(
    model: SequenceModel, encoded: EncoderOutput, *, width: int, normalization: float, length: int
) -> list[DecodedSequence]:
    """Write a sequence for each row.

    On each step the likeliest `width` continuations are kept (Graves 2012; Sutskever et al. 2014); one that ends
    leaves the beam, and the best of those that ended is given: by log P / ((5 + n) / 6)^α, where n counts the symbols
    and the end (Wu et al. 2016, "Google's Neural Machine Translation System"). A width of 1 is greedy. The search
    stops when nothing in the beam can become better than the best, so that it is exact as far as the beam goes.

    Args:
        model: In evaluation mode, with a writer.
        encoded: What was read.
        width: Of the beam.
        normalization: α; 0 for the log-probability itself.
        length: Symbols to write at most; then a sequence ends, whatever that costs it.

    Raises:
        RunError: Where the model's logits are not finite.
    """
    rows, device = len(encoded.lengths), encoded.lengths.device
    end = model.head.out_features - 1
    decoder_context = model.decoder_context(encoded).rows(torch.arange(rows, device=device).repeat_interleave(width))
    step = model.decoder_stepper(rows * width)
    states = model.decoder_states(rows * width)
    symbols = torch.full((rows * width,), end, device=device)
    live = torch.full((rows, width), -torch.inf, device=device)
    live[:, 0] = 0
    history = torch.empty((rows, width, 0), dtype=torch.int64, device=device)
    best = [DecodedSequence([], -torch.inf)] * rows
    best_scores = torch.full((rows,), -torch.inf, device=device)
    offsets = torch.arange(rows, device=device).unsqueeze(1) * width
    for written in range(1, length + 2):
        logits, states = step(symbols, decoder_context, states)
        totals = live.unsqueeze(-1) + _log_probabilities(logits).view(rows, width, -1)
        if written > length:
            totals[..., :end] = -torch.inf
        live, chosen = totals.flatten(1).topk(width)
        parents, symbols = chosen // (end + 1), chosen % (end + 1)
        history = torch.cat([history.gather(1, parents.unsqueeze(-1).expand(-1, -1, written - 1)),
                             symbols.unsqueeze(-1)], dim=-1)  # fmt: skip
        ended = symbols == end
        scores = (live / _penalty(written, normalization)).masked_fill(~ended, -torch.inf)
        for row in cast("list[int]", (scores.amax(1) > best_scores).nonzero().flatten().tolist()):
            place = int(scores[row].argmax())
            best[row] = DecodedSequence(cast("list[int]", history[row, place, :-1].tolist()), float(live[row, place]))
            best_scores[row] = scores[row, place]
        live = live.masked_fill(ended, -torch.inf)
        # More symbols make no sequence likelier, and none is helped by more than by the greatest length.
        if bool((best_scores >= live.amax(1) / _penalty(length + 1, normalization)).all()):
            break
        kept = (parents + offsets).flatten()
        states = tuple(map_state(lambda part: part[kept], state) for state in states)  # noqa: B023
        symbols = symbols.flatten()
    return best


def _log_probabilities(logits: Float[Tensor, "batch symbols"]) -> Float[Tensor, "batch symbols"]:
    check_finite(logits)
    return logits.float().log_softmax(-1)


def _penalty(symbols: int, normalization: float) -> float:
    return ((5 + symbols) / 6) ** normalization
