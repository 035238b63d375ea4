"""Mixtures: training on several sources in proportion to their weights, whatever their sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqforge.data.splits import Spans
from seqforge.data.token_file import TokenFile
from seqforge.errors import DataError


@dataclass(frozen=True, slots=True)
class Mixture:
    """The pieces of a training split by their source.

    An epoch has as many tokens as the split. Each source has a share of them, and goes on where it stopped in the last
    epoch; after its last piece, it begins again in a new order.

    Attributes:
        sources: Pieces of each source.
        shares: Number of tokens of each source in an epoch.
    """

    sources: Sequence[Spans]
    shares: Sequence[int]

    @property
    def length(self) -> int:
        """Number of tokens of an epoch."""
        return sum(self.shares)

    def of_epoch(self, epoch: int, seed: int, shuffle: bool) -> Spans:
        """Return the pieces of an epoch in the order of reading, a function of the seed and the epoch alone."""
        if len(self.sources) == 1:
            (spans,) = self.sources
        else:
            parts = [
                _read_on(source, epoch * share, share, [seed, number] if shuffle else None)
                for number, (source, share) in enumerate(zip(self.sources, self.shares, strict=True), start=1)
                if share
            ]
            spans = _join(parts)
        if not shuffle:
            return spans
        return spans.select(np.random.default_rng([seed, epoch]).permutation(len(spans.starts)))


def mix(spans: Spans, token_file: TokenFile, weights: Mapping[str, float]) -> Mixture:
    """Divide a training split by the sources of its documents, and the tokens of an epoch by their weights.

    Without weights, the corpus has one source. An empty split is divided too.

    Raises:
        DataError: If a source has no text in the split.
    """
    if not weights:
        return Mixture([spans], [spans.length])
    sources = divide(spans, token_file, weights)
    for name, source in sources.items():
        if not source.length:
            raise DataError(
                f"the source {name!r} has no text in the training split",
                hint='Lower the held-out fractions in [data], or set data.split = "document".',
            )
    bounds = np.cumsum([0.0, *weights.values()]) / sum(weights.values()) * spans.length
    return Mixture([*sources.values()], np.diff(bounds.round().astype(np.int64)).tolist())


def divide(spans: Spans, token_file: TokenFile, weights: Mapping[str, float]) -> dict[str, Spans]:
    """Return the pieces of each source, which the first part of the name of a document states."""
    names = np.array([name.partition("/")[0] for name in token_file.names])
    owners = names[np.searchsorted(token_file.stops, spans.starts, side="right")]
    return {name: spans.select(owners == name) for name in weights}


def _read_on(source: Spans, start: int, length: int, seed: list[int] | None) -> Spans:
    """Return pieces of an endless repetition of a source, in which each repetition has an order of its own."""
    parts: list[Spans] = []
    stop = start + length
    for repetition in range(start // source.length, -(-stop // source.length)):
        first = repetition * source.length
        order = None if seed is None else np.random.default_rng([*seed, repetition]).permutation(len(source.starts))
        parts.append((source if order is None else source.select(order)).clip(start - first, stop - first))
    return _join(parts)


def _join(parts: Sequence[Spans]) -> Spans:
    return Spans(np.concatenate([part.starts for part in parts]), np.concatenate([part.stops for part in parts]))
