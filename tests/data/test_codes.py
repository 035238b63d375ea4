"""A token file has the same tokens whether it stores codes or token ids."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqforge.data.token_file import INDEX, TokenFile
from seqforge.errors import PluginError
from seqforge.kinds import CodedVocabulary
from seqforge.kinds.vocabulary import distinct_codes
from seqforge.storage.records import DamagedFileError

Encode = Callable[..., TokenFile]

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_documents = st.dictionaries(_texts, _texts, max_size=6).filter(lambda documents: any(documents.values()))


@given(documents=_documents, data=st.data())
@settings(deadline=None)
def test_codes_and_token_ids_give_the_tokens_of_the_vocabulary(
    encoded: Encode, made: ModuleType, documents: dict[str, str], data: st.DataObject
):
    reference = made.VOCABULARIES["characters"]()
    reference.learn(text.encode() for text in documents.values())
    expected = np.concatenate([reference.encode(text.encode()) for text in documents.values()])
    start = data.draw(st.integers(0, len(expected) - 1))
    stop = data.draw(st.integers(start + 1, len(expected)))
    by_codes, by_ids = made.VOCABULARIES["characters"](), made.WithoutCodes(made.VOCABULARIES["characters"]())
    for vocabulary in (by_codes, by_ids):
        token_file = encoded(documents, vocabulary)
        assert vocabulary.state() == reference.state()
        for file in (token_file, TokenFile.open(token_file.folder)):
            read = file.map().read()
            assert read.dtype == file.dtype == expected.dtype
            assert read.tolist() == expected.tolist()
            assert file.map().read(start, stop).tolist() == expected[start:stop].tolist()


class Halves(CodedVocabulary):
    """Bytes whose code of 32 bits is twice their value plus one, so that codes have gaps."""

    def __init__(self) -> None:
        self.known: list[int] = []

    def codes(self, content: bytes) -> Any:
        return np.frombuffer(content, dtype=np.uint8).astype(np.uint32) * 2 + 1

    def adopt(self, codes: Any) -> None:
        self.known = codes.tolist()

    @property
    def size(self) -> int:
        return len(self.known)

    def encode_bytes(self, content: bytes) -> Any:
        return np.array([self.known.index(code) for code in self.codes(content).tolist()], dtype=np.int64)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        return bytes(self.known[token] // 2 for token in tokens)

    def state(self) -> dict[str, Any]:
        return {"known": self.known}

    def restore(self, state: dict[str, Any]) -> None:
        self.known = state["known"]


@given(documents=_documents)
@settings(deadline=None)
def test_a_third_party_coded_vocabulary_gives_its_own_tokens(encoded: Encode, documents: dict[str, str]):
    vocabulary = Halves()
    token_file = encoded(documents, vocabulary)
    whole = "".join(documents.values()).encode()
    assert vocabulary.known == sorted({2 * byte + 1 for byte in whole})
    assert token_file.map().read().tolist() == vocabulary.encode(whole).tolist()
    assert vocabulary.decode(token_file.map().read().tolist()) == whole


class Capitals(Halves):
    """Overrides `codes` so that capitals count as small letters, but `encode_bytes` reads the text itself."""

    def codes(self, content: bytes) -> Any:
        return super().codes(content.lower())

    def encode_bytes(self, content: bytes) -> Any:
        known = [code // 2 for code in self.known]
        return np.array([known.index(byte) if byte in known else 0 for byte in content], dtype=np.int64)


def test_codes_that_disagree_with_token_ids_are_an_error(encoded: Encode):
    with pytest.raises(PluginError, match=r"Capitals.*encode_bytes disagrees with `codes`"):
        encoded({"empty": "", "one": "The cat"}, Capitals())


@pytest.mark.parametrize(
    ("text", "width"), [("plain", 1), ("na\u00efve", 1), ("\u20ac", 2), ("\ufb00", 2), ("x \U0001f525", 4)]
)
def test_each_document_is_stored_in_the_smallest_integers_that_hold_its_codes(
    encoded: Encode, made: ModuleType, text: str, width: int
):
    documents = {"before": "odd", "this": text, "after": "\U0001f525 more"}
    token_file = encoded(documents, made.VOCABULARIES["characters"]())
    assert np.diff(token_file.ends, prepend=0).tolist() == [3, width * len(text), 4 * 6]
    assert (token_file.folder / "tokens.bin").stat().st_size == token_file.ends[-1]


def test_a_document_that_ends_inside_a_token_is_an_error(encoded: Encode, made: ModuleType):
    token_file = encoded({"one": "€€", "two": "€€"}, made.VOCABULARIES["characters"]())
    token_file.model_copy(update={"ends": token_file.ends - [1, 0]}).write(token_file.folder / INDEX)
    with pytest.raises(DamagedFileError, match="do not fit together"):
        TokenFile.open(token_file.folder)


@given(st.lists(st.lists(st.integers(0, 3000)) | st.lists(st.integers(0, 255))), st.integers(1, 5))
@settings(deadline=None)
def test_distinct_codes_are_the_sorted_set(documents: list[list[int]], piece: int):
    arrays = [np.array(codes, dtype=np.min_scalar_type(max(codes, default=0))) for codes in documents]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqforge.kinds.vocabulary._PIECE", piece)
        codes = distinct_codes(arrays)
    assert codes.dtype == np.uint32
    assert codes.tolist() == sorted(set().union(*documents))
