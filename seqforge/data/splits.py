"""Division of a corpus into training, validation and test splits."""

import hashlib
from collections.abc import Iterable
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
