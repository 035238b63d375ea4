"""An n-gram model with Witten-Bell smoothing, at chosen places of a text only.

Witten and Bell 1991, "The Zero-Frequency Problem". A model of order n predicts a symbol from the n symbols before it.
The successors of a context that the training text contains get probabilities in proportion to their counts, and the
model of the next lower order gets the rest. Only the contexts at the chosen places are counted, in one pass over the
training text, so that any order fits into memory.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_FACTOR = 0x9E3779B97F4A7C15
"""Factor of the polynomial hash: an odd number with mixed bits, 2⁶⁴ divided by the golden ratio."""

Tokens = NDArray[np.int64]


def predict_symbols(
    pieces: Iterable[Tokens], contexts: Sequence[Tokens], orders: Sequence[int], symbols: int
) -> dict[int, NDArray[np.float64]]:
    """Return the probabilities of all symbols after each context.

    Args:
        pieces: Tokens of the training text, in pieces.
        contexts: Tokens before each place. If one is shorter than an order, the model of its length predicts.
        orders: Numbers of tokens from which a symbol is predicted, each at least 1.
        symbols: Number of symbols.

    Returns:
        Probabilities `[contexts, symbols]` for each order.
    """
    longest = max(orders)
    groups = [_group(contexts, order) for order in range(1, longest + 1)]
    counts = [np.zeros((len(hashes), symbols), dtype=np.int64) for hashes, _ in groups]
    unigrams = np.zeros(symbols, dtype=np.int64)
    for piece in pieces:
        unigrams += np.bincount(piece, minlength=symbols)
        for order, (matches, successors) in enumerate(_find_contexts(piece, [hashes for hashes, _ in groups])):
            size = counts[order].size
            counts[order] += np.bincount(matches * symbols + successors, minlength=size).reshape(-1, symbols)
    probabilities = np.full((len(contexts), symbols), 1 / symbols)
    probabilities = _interpolate(np.tile(unigrams, (len(contexts), 1)), probabilities)
    found: dict[int, NDArray[np.float64]] = {}
    for order, ((_, group), own) in enumerate(zip(groups, counts, strict=True), start=1):
        known = group >= 0
        probabilities[known] = _interpolate(own[group[known]], probabilities[known])
        if order in orders:
            found[order] = probabilities.copy()
    return found


def _interpolate(counts: NDArray[np.int64], lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of an order from the counts `[contexts, symbols]` and those of the next lower order."""
    distinct = (counts > 0).sum(axis=1, keepdims=True)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, (counts + distinct * lower) / np.maximum(total + distinct, 1), lower)


def _group(contexts: Sequence[Tokens], order: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the sorted hashes of the last `order` tokens of the contexts, and the place of each context among them.

    The place of a context that is shorter is -1.
    """
    long_enough = np.array([len(context) >= order for context in contexts], dtype=bool)
    hashes = np.zeros(len(contexts), dtype=np.uint64)
    for distance in range(1, order + 1):
        symbols = [context[-distance] if valid else 0 for context, valid in zip(contexts, long_enough, strict=True)]
        hashes += _weigh(np.array(symbols, dtype=np.int64), distance)
    unique = np.unique(hashes[long_enough])
    return unique, np.where(long_enough, np.searchsorted(unique, hashes), -1)


def _weigh(symbols: Tokens, distance: int) -> NDArray[np.uint64]:
    """Return the part of a polynomial hash modulo 2⁶⁴ that belongs to the symbols at a distance."""
    return (symbols + 1).astype(np.uint64) * np.uint64(pow(_FACTOR, distance, 1 << 64))


def _find_contexts(
    piece: Tokens, hashes: Sequence[NDArray[np.uint64]]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield for each order, from 1 on, the places of the contexts that occur in a piece, and their successors."""
    ends = np.arange(1, len(piece))
    own = np.zeros(len(ends), dtype=np.uint64)
    for order, known in enumerate(hashes, start=1):
        # A context of this order ends with one of the next lower order, so only the places of these remain.
        inside = ends >= order
        ends, own = ends[inside], own[inside] + _weigh(piece[ends[inside] - order], order)
        places = np.searchsorted(known, own).clip(max=max(len(known) - 1, 0))
        matches = known[places] == own if len(known) else np.zeros(len(own), dtype=bool)
        ends, own, places = ends[matches], own[matches], places[matches]
        yield places, piece[ends]
