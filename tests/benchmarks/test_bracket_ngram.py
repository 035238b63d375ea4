"""The n-gram model at chosen places, against one with dictionaries of all contexts."""

from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bracket_distances.ngram import predict_symbols

SYMBOLS = 3
texts = st.lists(st.integers(0, SYMBOLS - 1), max_size=30)


def probability(text: list[int], context: list[int], symbol: int) -> Fraction:
    """Return the probability of a symbol after a context, with Witten-Bell smoothing."""
    successors: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for place, following in enumerate(text):
        for order in range(min(place, len(context)) + 1):
            successors[tuple(text[place - order : place])][following] += 1
    value = Fraction(1, SYMBOLS)
    for order in range(len(context) + 1):
        counts = successors[tuple(context[len(context) - order :])]
        if counts:
            value = (counts[symbol] + len(counts) * value) / (counts.total() + len(counts))
    return value


@given(texts, st.lists(texts, min_size=1, max_size=4), st.integers(1, 5))
def test_probabilities_are_those_of_all_counted_contexts(
    text: list[int], contexts: list[list[int]], order: int
) -> None:
    arrays = [np.array(context[-order:], dtype=np.int64) for context in contexts]
    found = predict_symbols([np.array(text, dtype=np.int64)], arrays, [order], SYMBOLS)
    expected = [[float(probability(text, context[-order:], symbol)) for symbol in range(3)] for context in contexts]
    assert found.keys() == {order}
    assert found[order] == pytest.approx(np.array(expected))


def test_pieces_are_counted_together_and_orders_are_all_returned() -> None:
    pieces = [np.array([0, 1, 2]), np.array([0, 1, 1])]
    contexts = [np.array([2, 0, 1])]
    found = predict_symbols(pieces, contexts, [1, 2], SYMBOLS)
    assert found.keys() == {1, 2}
    # After 1 there are 1 and 2, each once; after 0 1 the same.
    unigram = (np.array([2, 3, 1]) + 3 / 3) / 9
    bigram = (np.array([0, 1, 1]) + 2 * unigram) / 4
    assert found[1][0] == pytest.approx(bigram)
    assert found[2][0] == pytest.approx((np.array([0, 1, 1]) + 2 * bigram) / 4)
