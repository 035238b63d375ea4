"""Decoding of a new sequence for each row of an encoder output, by beam search."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from seqforge.generation.drawing import check_finite
from seqforge.kinds import map_state
from seqforge.model import EncoderOutput, SequenceModel


@dataclass(frozen=True, slots=True)
class DecodedSequence:
    """A decoded sequence.

    Attributes:
        symbols: Symbols without the end symbol.
        log_probability: Log-probability of the sequence in nats, including its end symbol.
    """

    symbols: list[int]
    log_probability: float


def beam_search(
    model: SequenceModel, encoded: EncoderOutput, *, width: int, normalization: float, length: int
) -> list[DecodedSequence]:
    """Return the best sequence of a beam search for each row.

    Each step keeps the `width` most probable continuations (Graves 2012, "Sequence Transduction with Recurrent Neural
    Networks"). A sequence that ends leaves the beam. The result is the ended sequence with the highest score log P /
    ((5 + n) / 6)^α, where n is the number of symbols including the end symbol, and α is `normalization` (Wu et al.
    2016, "Google's Neural Machine Translation System"). A width of 1 is greedy decoding. A sequence of `length` symbols
    is forced to end. The search stops when no sequence in the beam can exceed the score of the best ended one.

    Raises:
        RunError: If the logits are not finite.
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
    for count in range(1, length + 2):
        logits, states = step(symbols, decoder_context, states)
        totals = live.unsqueeze(-1) + _log_probabilities(logits).view(rows, width, -1)
        if count > length:
            totals[..., :end] = -torch.inf
        live, indices = totals.flatten(1).topk(width)
        parents, symbols = indices // (end + 1), indices % (end + 1)
        history = torch.cat([history.gather(1, parents.unsqueeze(-1).expand(-1, -1, count - 1)),
                             symbols.unsqueeze(-1)], dim=-1)  # fmt: skip
        ended = symbols == end
        scores = _score(live, count, normalization).masked_fill(~ended, -torch.inf)
        for row in cast("list[int]", (scores.amax(1) > best_scores).nonzero().flatten().tolist()):
            beam = int(scores[row].argmax())
            best[row] = DecodedSequence(cast("list[int]", history[row, beam, :-1].tolist()), float(live[row, beam]))
            best_scores[row] = scores[row, beam]
        live = live.masked_fill(ended, -torch.inf)
        # A longer sequence is never more probable, and the divisor is largest for the maximum length.
        if bool((best_scores >= _score(live.amax(1), length + 1, normalization)).all()):
            break
        sources = (parents + offsets).flatten()
        states = tuple(map_state(lambda part: part[sources], state) for state in states)  # noqa: B023
        symbols = symbols.flatten()
    return best


def _log_probabilities(logits: Float[Tensor, "batch symbols"]) -> Float[Tensor, "batch symbols"]:
    check_finite(logits)
    return logits.float().log_softmax(-1)


def _score(log_probabilities: Tensor, symbols: int, normalization: float) -> Tensor:
    """Return numbers in the order of log P / ((5 + n) / 6)^α. The power itself exceeds float32 for a large α."""
    return normalization * math.log((5 + symbols) / 6) - (-log_probabilities).log()
