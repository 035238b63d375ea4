"""Decoding of a new sequence for each row of an encoder output, by beam search or with a chain of samplers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from seqforge.errors import DataError
from seqforge.generation.drawing import check_finite, draw, uniforms_of
from seqforge.kinds import Classes, ExampleSpec, RedrawingSampler, Sampler, SamplingContext, Vocabulary, map_state
from seqforge.model import EncoderOutput, SequenceModel


class TargetVocabulary(Vocabulary):
    """The symbols that a decoder predicts: those of the text vocabulary, or the classes, followed by the end symbol.

    The end symbol is decoded to empty text.

    Args:
        spec: Shape of the examples.
        vocabulary: Vocabulary of text.
    """

    def __init__(self, spec: ExampleSpec, vocabulary: Vocabulary) -> None:
        self._names = spec.target.names if isinstance(spec.target, Classes) else None
        self._vocabulary = vocabulary
        self.end = spec.output_size(vocabulary.size)

    @property
    def size(self) -> int:
        """Number of symbols, the end symbol included."""
        return self.end + 1

    def encode_bytes(self, content: bytes) -> NDArray[np.integer[Any]]:
        """Encode text, or class names separated by spaces.

        Raises:
            ValueError: If there is no class with a name.
        """
        if self._names is None:
            return self._vocabulary.encode(content)
        return np.array([self._names.index(name) for name in content.decode().split()], dtype=np.int64)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        """Decode symbols to text, or to class names separated by spaces. End symbols are skipped."""
        symbols = [token for token in tokens if token != self.end]
        if self._names is None:
            return self._vocabulary.decode(symbols)
        return " ".join(self._names[symbol] for symbol in symbols).encode()

    def state(self) -> dict[str, Any]:
        """Return the state of the text vocabulary."""
        return self._vocabulary.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the state of the text vocabulary."""
        self._vocabulary.restore(state)


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


def draw_sequences(
    model: SequenceModel,
    symbols: TargetVocabulary,
    samplers: Sequence[Sampler],
    encoded: EncoderOutput,
    *,
    length: int,
    seed: int,
) -> list[DecodedSequence]:
    """Draw a sequence for each row with a chain of samplers. A sequence of `length` symbols is forced to end.

    Raises:
        DataError: If a sampler redraws.
        RunError: If the logits are not finite.
        PluginError: If a sampler forbids every symbol.
    """
    for sampler in samplers:
        if isinstance(sampler, RedrawingSampler):
            raise DataError(f"{type(sampler).__name__} is for models of running text", hint="Remove this sampler.")
    rows, device = len(encoded.lengths), encoded.lengths.device
    uniforms = uniforms_of(seed, rows)
    decoder_context = model.decoder_context(encoded)
    step, states = model.decoder_stepper(rows), model.decoder_states(rows)
    drawn = torch.full((rows,), symbols.end)
    # The prompt is empty: the end symbol also starts a sequence, but a sampler must not count it as one that was drawn.
    context = SamplingContext(drawn[:0], rows, length, symbols)
    memories = [sampler.start(context) for sampler in samplers]
    ended = torch.zeros(rows, dtype=torch.bool)
    totals = torch.zeros(rows)
    sequences: list[list[int]] = [[] for _ in range(rows)]
    for _ in range(length):
        logits, states = step(drawn.to(device), decoder_context, states)
        logits = logits.float().cpu()
        drawn = draw(logits, samplers, memories, uniforms(1)[0])
        memories = [sampler.advance(memory, drawn, logits) for sampler, memory in zip(samplers, memories, strict=True)]
        likelihoods = logits.log_softmax(-1).gather(1, drawn.unsqueeze(1)).squeeze(1)
        totals += likelihoods.masked_fill(ended, 0.0)
        ended |= drawn == symbols.end
        if bool(ended.all()):
            break
        for row in cast("list[int]", (~ended).nonzero().flatten().tolist()):
            sequences[row].append(int(drawn[row]))
    else:
        # The probability of the forced end is included, as in a beam search.
        logits, _ = step(drawn.to(device), decoder_context, states)
        ends = _log_probabilities(logits).cpu()[:, symbols.end]
        totals += ends.masked_fill(ended, 0.0)
    return [DecodedSequence(row, float(total)) for row, total in zip(sequences, totals, strict=True)]


def _log_probabilities(logits: Float[Tensor, "batch symbols"]) -> Float[Tensor, "batch symbols"]:
    check_finite(logits)
    return logits.float().log_softmax(-1)


def _score(log_probabilities: Tensor, symbols: int, normalization: float) -> Tensor:
    """Return numbers in the order of log P / ((5 + n) / 6)^α. The power itself exceeds float32 for a large α."""
    return normalization * math.log((5 + symbols) / 6) - (-log_probabilities).log()
