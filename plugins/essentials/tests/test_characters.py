"""The vocabulary `characters`."""

import numpy as np
import pytest
import seqforge_essentials.vocabularies as vocabularies
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.vocabularies import Characters

from seqforge.errors import DataError
from seqforge.kinds import UnknownSymbolError

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.characters(max_codepoint=127))


def learn_characters(*texts: str) -> Characters:
    vocabulary = Characters()
    vocabulary.learn(text.encode() for text in texts)
    return vocabulary


@pytest.fixture(params=[1, 2, 3, 1 << 20])
def piece_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the size of pieces: so small that they divide UTF-8 characters, or the default."""
    monkeypatch.setattr(vocabularies, "_PIECE_SIZE", request.param)


@pytest.mark.usefixtures("piece_size")
class TestPieces:
    @settings(deadline=None)
    @given(st.lists(TEXT), st.randoms())
    def test_characters_are_sorted_and_independent_of_the_order_of_the_texts(self, texts: list[str], random):
        expected = "".join(sorted(set().union(*texts)))
        shuffled = list(texts)
        random.shuffle(shuffled)
        for order in (texts, shuffled):
            vocabulary = learn_characters(*order)
            assert vocabulary.state() == {"characters": expected}
            assert vocabulary.size == len(expected)

    @settings(deadline=None)
    @given(TEXT)
    def test_token_ids_are_ranks_of_characters_and_decode_to_the_text(self, text: str):
        vocabulary = learn_characters(text)
        tokens = vocabulary.encode(text.encode())
        assert vocabulary.encode(text).tolist() == tokens.tolist()
        assert tokens.tolist() == [sorted(set(text)).index(character) for character in text]
        assert vocabulary.decode(tokens.tolist()) == text.encode()

    @settings(deadline=None)
    @given(TEXT)
    def test_codes_are_code_points_in_the_smallest_integer_type(self, text: str):
        codes = Characters().codes(text.encode())
        assert codes.tolist() == [ord(character) for character in text]
        assert codes.dtype == np.min_scalar_type(max(map(ord, text), default=0))

    @settings(deadline=None)
    @given(st.text("abéя漢😀"), st.text("abéя漢😀", max_size=30))
    def test_an_unknown_character_is_reported_with_its_first_position(self, known: str, text: str):
        vocabulary = learn_characters(known)
        unknown = [position for position, character in enumerate(text) if character not in known]
        if not unknown:
            assert len(vocabulary.encode(text.encode())) == len(text)
            return
        with pytest.raises(UnknownSymbolError) as caught:
            vocabulary.encode(text.encode())
        assert (caught.value.symbol, caught.value.position) == (text[unknown[0]], unknown[0])

    @settings(deadline=None)
    @given(TEXT, st.sampled_from([b"\xff", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\x80"]))
    def test_invalid_utf8_is_reported_with_its_offset(self, text: str, broken: bytes):
        content = text.encode()
        vocabulary = learn_characters(text)
        message = f"byte 0x{broken[0]:02x} at offset {len(content)} is not UTF-8"
        with pytest.raises(DataError, match=message):
            vocabulary.encode(content + broken)
        with pytest.raises(DataError, match=message):
            vocabulary.learn([content + broken])


@pytest.mark.parametrize(
    ("size", "dtype"), [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)]
)
def test_token_ids_have_the_smallest_integer_type(size: int, dtype: type):
    codes = [code for code in range(size + 2048) if not 0xD800 <= code < 0xE000][:size]
    vocabulary = learn_characters("".join(map(chr, codes)))
    tokens = vocabulary.encode(chr(codes[-1]).encode() + b"\0")
    assert vocabulary.size == size
    assert tokens.dtype == dtype
    assert tokens.tolist() == [size - 1, 0]


def test_learn_replaces_the_characters_of_an_earlier_call():
    vocabulary = learn_characters("abc")
    vocabulary.learn([b"xy"])
    assert vocabulary.state() == {"characters": "xy"}


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"characters": ["a", "b"]},
        {"characters": "ba"},
        {"characters": "aab"},
        {"characters": "a\ud800"},
        {"characters": "ab", "more": 1},
    ],
)
def test_an_invalid_state_is_an_error(state: dict[str, object]):
    with pytest.raises(ValueError, match=r"vocabulary|surrogates"):
        Characters().restore(state)


def test_listed_characters_replace_others_or_refuse_them() -> None:
    vocabulary = Characters("abc ", "?")
    vocabulary.learn([b"a cab", "bü".encode()])
    assert vocabulary.state() == {"characters": " ?abc"}
    for text in ("a ünö", "a xyz"):
        assert vocabulary.decode(vocabulary.encode(text)) == b"a ???"
    with pytest.raises(UnknownSymbolError, match="'x' at position 2") as caught:
        Characters("abc ").learn([b"a x"])
    assert "Add it to `characters`" in str(caught.value.hint)
    with pytest.raises(ValueError, match="`characters`"):
        Characters(unknown="?")
    vocabulary.learn([b"abc"])
    with pytest.raises(UnknownSymbolError) as caught:
        vocabulary.encode("abd")
    assert "The corpus has no character that '?' replaces" in str(caught.value.hint)


def test_the_unknown_character_may_have_a_large_id() -> None:
    listed = "".join(map(chr, range(0x100, 0x300))) + "a"
    vocabulary = Characters(listed, "\ufffd")
    vocabulary.learn([(listed + "b").encode()])
    assert vocabulary.encode("ab").tolist() == [0, len(listed)]
