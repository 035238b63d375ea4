"""The n-gram model against a dictionary of contexts."""

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.c_learning.ngram import fit, ranks

texts = st.lists(st.integers(0, 3), min_size=1, max_size=60)
orders = st.integers(1, 9)


def tokens_of(text: list[int]) -> np.ndarray:
    return np.array(text, dtype=np.uint8)


def context(text: list[int], place: int, length: int) -> tuple[int, ...]:
    return tuple(text[(place + offset) % len(text)] for offset in range(length))


def dictionary(text: list[int], order: int) -> dict[tuple[int, ...], Counter[int]]:
    counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for place in range(len(text)):
        counts[context(text, place, order)][text[(place + order) % len(text)]] += 1
    return counts


@given(texts, orders)
def test_the_successors_of_every_context_are_those_of_a_dictionary(text: list[int], order: int) -> None:
    model = fit(tokens_of(text), order)
    expected = dictionary(text, order)
    for place in range(len(text)):
        first, count = model.first[place], model.count[place]
        successors = model.tokens[(model.places[first : first + count] + order) % len(text)]
        assert Counter(successors.tolist()) == expected[context(text, place, order)]


@given(texts, orders)
def test_substrings_are_ranked_as_tuples(text: list[int], length: int) -> None:
    substrings = [context(text, place, length) for place in range(len(text))]
    numbers = {substring: number for number, substring in enumerate(sorted(set(substrings)))}
    assert ranks(tokens_of(text), length).tolist() == [numbers[substring] for substring in substrings]


@given(texts, orders, st.integers(0, 2**32), st.data())
def test_a_sample_contains_only_symbols_that_follow_their_context_in_the_text(
    text: list[int], order: int, seed: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    model = fit(tokens_of(text), order)
    expected = dictionary(text, order)
    for row in model.sample(np.array([place, 0]), 20, np.random.default_rng(seed))[:1].tolist():
        generated = [*context(text, place, order), *row]
        for start in range(len(row)):
            assert generated[start + order] in expected[tuple(generated[start : start + order])]


def test_symbols_are_drawn_with_their_frequency_after_the_context() -> None:
    text = [0, 1] * 3 + [0, 2]
    begins = np.zeros(4_000, dtype=np.int64)
    drawn = fit(tokens_of(text), 1).sample(begins, 1, np.random.default_rng(1))
    assert abs((drawn == 1).mean() - 0.75) < 0.03


@given(texts, orders, st.data())
def test_samples_begin_at_the_contexts_that_end_with_the_prompt(
    text: list[int], order: int, data: st.DataObject
) -> None:
    prompt = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=order))
    found = fit(tokens_of(text), order).begins(tokens_of(prompt)).tolist()
    expected = [place for place in range(len(text)) if list(context(text, place, order))[-len(prompt) :] == prompt]
    assert found == expected
