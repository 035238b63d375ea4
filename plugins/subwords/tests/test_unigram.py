"""The vocabulary `unigram`: exact texts, the most probable division, its state, and an order that does not matter."""

import random
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_subwords.subwords import BYTES, Unigram

from seqforge.testing.vocabulary_suite import VocabularySuite

DOCUMENTS = [(Path(__file__).parents[3] / name).read_bytes() for name in ("README.md", "CONTRIBUTING.md")]
SYMBOLS = [f"{symbol} -9.5" for symbol in BYTES]


class TestVocabulary(VocabularySuite):
    vocabularies: ClassVar = {"unigram": Unigram, "unigram, small": partial(Unigram, size=300)}


@pytest.fixture(scope="module")
def learned() -> Unigram:
    vocabulary = Unigram(size=700)
    vocabulary.learn(DOCUMENTS)
    return vocabulary


@given(st.text().map(str.encode) | st.binary())
def test_every_text_is_decoded_as_it_was(learned: Unigram, content: bytes) -> None:
    assert learned.decode(learned.encode(content)) == content


def test_frequent_words_are_symbols(learned: Unigram) -> None:
    assert learned.size == 700
    assert [learned.decode([token]) for token in learned.encode(" the tests")] == [b" the", b" test", b"s"]
    whole = b"".join(DOCUMENTS)
    assert len(learned.encode(whole)) < len(whole) / 2


def test_symbols_do_not_depend_on_the_order_of_the_documents() -> None:
    lines = [line + b"\n" for content in DOCUMENTS for line in content.splitlines()]
    states = []
    for seed in range(3):
        random.Random(seed).shuffle(lines)
        vocabulary = Unigram(size=700)
        vocabulary.learn(lines)
        states.append(vocabulary.state())
    assert states[0] == states[1] == states[2]


def test_without_a_text_the_symbols_are_the_bytes() -> None:
    vocabulary = Unigram(300)
    vocabulary.learn([])
    assert vocabulary.size == 256


def test_a_word_is_divided_so_that_its_probability_is_largest() -> None:
    vocabulary = Unigram()
    vocabulary.restore({"symbols": "\n".join([*SYMBOLS, "ab -4", "bc -1", "abc -12"])})
    divided = [vocabulary.decode([token]) for token in vocabulary.encode("abc")]
    assert divided == [b"a", b"bc"]  # -10.5, instead of -13.5 and -12


@pytest.mark.parametrize("symbols", ["a -1", 3, "\n".join([*SYMBOLS, "a -1"]), "\n".join([*SYMBOLS, "ab"]), "漢 1"])
def test_a_damaged_state_is_an_error(symbols: Any) -> None:
    with pytest.raises(ValueError, match=r"symbols|unpack|stand"):
        Unigram().restore({"symbols": symbols})
