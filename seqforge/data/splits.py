"""Division of a corpus into training, validation and test splits, and of a training split by its sources.

Training reads the sources of a mixture in proportion to their weights, whatever their sizes.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seqforge.data.token_file import TokenFile
from seqforge.errors import DataError, did_you_mean
from seqforge.kinds.labelled_corpus import SplitName


@dataclass(frozen=True, slots=True)
class Spans:
    """Pieces of a token file, in order and without overlap.

    Attributes:
        starts: Index of the first token of each piece, int64.
        stops: Index after the last token of each piece, int64.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    @property
    def length(self) -> int:
        """Total number of tokens."""
        return int((self.stops - self.starts).sum())

    def select(self, selected: NDArray[np.bool_] | NDArray[np.int64]) -> "Spans":
        """Return some of the pieces, by a mask, or by their indices in another order."""
        return Spans(self.starts[selected], self.stops[selected])

    def clip(self, start: int, stop: int) -> "Spans":
        """Return the part of the pieces between two places, counted in tokens from the beginning of the first piece."""
        lengths = self.stops - self.starts
        offsets = np.cumsum(lengths) - lengths
        starts = self.starts + np.clip(start - offsets, 0, lengths)
        stops = self.starts + np.clip(stop - offsets, 0, lengths)
        return Spans(starts, stops).select(stops > starts)

    def cut_at(self, places: NDArray[np.int64]) -> "Spans":
        """Return the pieces cut at ascending places in the file. The pieces must be in the order of the file."""
        pieces = np.searchsorted(self.starts, places, side="right") - 1
        places, pieces = places[pieces >= 0], pieces[pieces >= 0]
        inside = places[(self.starts[pieces] < places) & (places < self.stops[pieces])]
        return Spans(np.union1d(self.starts, inside), np.union1d(self.stops, inside))

    def cut(self, length: int) -> "Spans":
        """Return the pieces cut into pieces of at most `length` tokens, in the same order."""
        starts = [
            np.arange(start, stop, length, dtype=np.int64)
            for start, stop in zip(self.starts.tolist(), self.stops.tolist(), strict=True)
        ]
        cut = np.concatenate([np.zeros(0, dtype=np.int64), *starts])
        return Spans(cut, np.minimum(cut + length, np.repeat(self.stops, [len(piece) for piece in starts])))


def split(
    token_file: TokenFile, by: Literal["position", "document"], validation_fraction: float, test_fraction: float
) -> dict[SplitName, Spans]:
    """Divide a corpus into training, validation and test splits.

    By "position", the splits follow one another in the text: training, validation, test. A document may be cut. By
    "document", a hash of its name assigns each document to a split, so that it stays there when the corpus grows. The
    fractions are fractions of the tokens or of the documents, respectively.
    """
    whole, names = _documents(token_file)
    if by == "document":
        splits = np.array(split_by_hash(names, validation_fraction, test_fraction))
        return {name: whole.select(splits == name) for name in get_args(SplitName)}
    length = token_file.length
    validation_start = round(length * (1 - validation_fraction - test_fraction))
    test_start = round(length * (1 - test_fraction))
    return {
        "training": whole.clip(0, validation_start),
        "validation": whole.clip(validation_start, test_start),
        "test": whole.clip(test_start, length),
    }


def _documents(token_file: TokenFile) -> tuple[Spans, list[str]]:
    """Return the pieces and the names of all documents, whose parts have the same name."""
    names, stops = token_file.names, token_file.stops
    last = [index for index, pair in enumerate(zip(names, [*names[1:], None], strict=True)) if pair[0] != pair[1]]
    return Spans(np.append(0, stops[last[:-1]]), stops[last]), [names[index] for index in last]


def check_split(name: str) -> None:
    """Check the name of a split.

    Raises:
        DataError: If there is no split of that name.
    """
    if name not in get_args(SplitName):
        raise DataError(f"there is no split {name!r}", hint=did_you_mean(str(name), get_args(SplitName)))


def split_by_hash(names: Iterable[str], validation_fraction: float, test_fraction: float) -> list[SplitName]:
    """Return the split of each document or example, to which a hash of its name assigns it."""
    splits: list[SplitName] = []
    for place in map(hash_to_unit_interval, names):
        held_out = "test" if place < test_fraction else "validation"
        splits.append("training" if place >= test_fraction + validation_fraction else held_out)
    return splits


def hash_to_unit_interval(name: str) -> float:
    """Return a hash in [0, 1) of the name of a document or an example, which assigns it to a split."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


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
