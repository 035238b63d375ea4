"""Which tokens are trained on, which are held out."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqforge.data.token_file import TokenFile

SplitName = Literal["training", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Spans:
    """Pieces of a token file, in order; no two overlap.

    Attributes:
        starts: First index of each piece, int64.
        stops: One past the last, int64.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    @property
    def length(self) -> int:
        """Tokens in all."""
        return int((self.stops - self.starts).sum())

    def reordered(self, order: NDArray[np.int64]) -> "Spans":
        """Take the pieces in another order.

        Args:
            order: A permutation of their indices.
        """
        return Spans(self.starts[order], self.stops[order])


def split(
    token_file: TokenFile, by: Literal["position", "document"], validation_fraction: float, test_fraction: float
) -> dict[SplitName, Spans]:
    """Divide a corpus into training, validation and test.

    Args:
        token_file: The corpus.
        by: "position" holds out the end of the text, cutting a document where need be: first training, then
            validation, then test. "document" draws for each document from a hash of its name, so that it stays in
            its split however the corpus grows.
        validation_fraction: Part of the tokens (position) or of the documents (document) held out.
        test_fraction: Likewise.
    """
    starts = np.concatenate([np.zeros(1, dtype=np.int64), token_file.stops[:-1]])
    whole = Spans(starts, token_file.stops)
    if by == "document":
        places = np.array([place(name) for name in token_file.names])
        return {
            "training": _selected(whole, places >= test_fraction + validation_fraction),
            "validation": _selected(whole, (places >= test_fraction) & (places < test_fraction + validation_fraction)),
            "test": _selected(whole, places < test_fraction),
        }
    length = token_file.length
    validation_start = round(length * (1 - validation_fraction - test_fraction))
    test_start = round(length * (1 - test_fraction))
    return {
        "training": _clipped(whole, 0, validation_start),
        "validation": _clipped(whole, validation_start, test_start),
        "test": _clipped(whole, test_start, length),
    }


def place(name: str) -> float:
    """Put a document, or an example, at a fixed place in [0, 1).

    Args:
        name: Its name.
    """
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _selected(spans: Spans, chosen: NDArray[np.bool_]) -> Spans:
    return Spans(spans.starts[chosen], spans.stops[chosen])


def _clipped(spans: Spans, start: int, stop: int) -> Spans:
    clipped = Spans(np.clip(spans.starts, start, stop), np.clip(spans.stops, start, stop))
    return _selected(clipped, clipped.stops > clipped.starts)
