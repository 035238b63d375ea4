"""The vocabulary `words`: exact texts, words by frequency, unknown words, and its state."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_essentials.vocabularies import Words

DOCUMENTS = [b"the cat sat on the mat.\n", b"the dog saw the cat, and sat.\n", "ein Hund saß da\n".encode()]


def learned(**options: Any) -> Words:
    vocabulary = Words(**options)
    vocabulary.learn(DOCUMENTS)
    return vocabulary


def symbols(vocabulary: Words, text: str) -> list[str]:
    return [vocabulary.decode([token]).decode("utf-8", "backslashreplace") for token in vocabulary.encode(text)]


@given(st.text().map(str.encode) | st.binary())
def test_every_text_is_decoded_as_it_was(content: bytes) -> None:
    vocabulary = learned()
    assert vocabulary.decode(vocabulary.encode(content)) == content


def test_a_word_has_the_space_before_it_and_a_rare_one_is_spelled() -> None:
    assert symbols(learned(), "the cat  sat.\nthe cow") == ["the", " cat", " ", " sat", ".", "\n", "the", *" cow"]
    assert symbols(learned(), " saß ü") == [" saß", " ", "\\xc3", "\\xbc"]


def test_the_most_frequent_words_count_and_then_their_order() -> None:
    # Four words are there twice, and " Hund" is the first of the others.
    vocabulary = learned(size=256 + 5)
    assert vocabulary.state() == {"words": " cat\0 sat\0 the\0the\0 Hund"}
    assert vocabulary.size == 261


def test_an_unknown_word_has_one_symbol() -> None:
    vocabulary = learned(size=257, unknown="<unk>")
    assert symbols(vocabulary, "the cow,\nFoo <unk><unk>") == [
        "the", " <unk>", ",", "\n", "<unk>", " <unk>", "<unk>",
    ]  # fmt: skip
    assert vocabulary.decode(vocabulary.encode("é".encode() + b"\xff")) == b"<unk><unk>"


@pytest.mark.parametrize("words", [3, "a\0a", "a\0\0b", "a\udcff"])
def test_a_damaged_state_is_an_error(words: Any) -> None:
    with pytest.raises(ValueError, match="words"):
        Words().restore({"words": words})
