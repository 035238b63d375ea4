"""Encoding documents into token files, decoding them, and the files that encoding writes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.vocabularies import Words

from seqforge.data.encoding import VocabularyRecord, encode_corpus, read_vocabulary, write_vocabulary
from seqforge.data.token_file import VOCABULARY, TokenFile
from seqforge.errors import DataError, PluginError
from seqforge.events import Report
from seqforge.kinds import Document, UnknownSymbolError, Vocabulary, WorkProgressed
from seqforge.storage.records import DamagedFileError

Encode = Callable[..., TokenFile]

NAMES = ["bytes", "characters"]
every_vocabulary = pytest.mark.parametrize("name", NAMES)

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_documents = st.dictionaries(_texts, _texts, max_size=6)


def tokens_of(token_file: TokenFile, document: int) -> list[int]:
    start = int(token_file.stops[document - 1]) if document else 0
    return token_file.map().read(start, int(token_file.stops[document])).tolist()


@every_vocabulary
@given(documents=_documents.filter(lambda documents: any(documents.values())))
@settings(deadline=None)
def test_decoding_gives_the_documents_back(encoded: Encode, made: ModuleType, name: str, documents: dict[str, str]):
    vocabulary = made.VOCABULARIES[name]()
    token_file = encoded(documents, vocabulary)
    texts = {key: text for key, text in documents.items() if text}
    assert token_file.names == list(texts)
    for number, text in enumerate(texts.values()):
        assert vocabulary.decode(tokens_of(token_file, number)).decode() == text
        assert token_file.characters[number] == len(text)
    assert token_file.length == len(token_file.map().read()) == token_file.stops[-1]
    opened = TokenFile.open(token_file.folder)
    assert (opened.names, opened.dtype, opened.folder) == (token_file.names, token_file.dtype, token_file.folder)
    assert np.array_equal(opened.stops, token_file.stops)
    assert np.array_equal(opened.characters, token_file.characters)
    restored = made.VOCABULARIES[name]()
    read_vocabulary(restored, opened.folder / VOCABULARY)
    assert restored.size == vocabulary.size
    assert restored.decode(opened.map().read().tolist()) == "".join(texts.values()).encode()


def consecutive(count: int) -> str:
    """Return `count` different characters, none of them a surrogate."""
    return "".join(map(chr, range(0x10000, 0x10000 + count)))


@pytest.mark.parametrize(
    ("symbols", "dtype"), [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)]
)
def test_tokens_are_the_smallest_integers_that_hold_the_vocabulary(
    encoded: Encode, made: ModuleType, symbols: int, dtype: type[Any]
):
    vocabulary = made.VOCABULARIES["characters"]()
    text = consecutive(symbols)
    token_file = TokenFile.open(encoded({"one": text, "two": text[-1]}, vocabulary).folder)
    assert vocabulary.size == symbols
    assert token_file.dtype == token_file.map().read().dtype == dtype
    assert vocabulary.decode(token_file.map().read().tolist()).decode() == text + text[-1]


def test_bytes_are_stored_as_they_are(encoded: Encode):
    token_file = encoded({"one": "naïve"})
    assert (token_file.folder / "tokens.bin").read_bytes() == "naïve".encode()


@every_vocabulary
@pytest.mark.parametrize("documents", [{}, {"one": ""}, {"one": "", "two": ""}])
def test_an_empty_corpus_is_an_error(encoded: Encode, made: ModuleType, name: str, documents: dict[str, str]):
    with pytest.raises(DataError) as caught:
        encoded(documents, made.VOCABULARIES[name]())
    assert str(caught.value) == "the corpus is empty\nNone of its documents contains a symbol."


@pytest.mark.parametrize("name", [*NAMES, "without codes"])
def test_the_corpus_is_read_twice_to_learn_and_no_temporary_file_is_left(made: ModuleType, tmp_path: Path, name: str):
    corpus = made.Documents(made.TEXTS)
    vocabulary = made.VOCABULARIES[name]() if name in NAMES else made.WithoutCodes(made.VOCABULARIES["characters"]())
    encode_corpus(corpus, vocabulary, tmp_path, lambda _: None)
    assert corpus.times_read == (1 if name in NAMES else 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents.json", "tokens.bin", "vocabulary.json"]


@every_vocabulary
def test_the_end_is_reported_once_with_the_size_of_the_corpus(made: ModuleType, tmp_path: Path, name: str):
    events: list[WorkProgressed] = []
    documents = {"one": "naïve", "empty": "", "two": "text"}
    encode_corpus(made.Documents(documents), made.VOCABULARIES[name](), tmp_path, events.append)
    assert events[-1] == WorkProgressed("encoded", 1.0, "3 documents, 10 bytes")
    assert not any(event.work == "encoded" for event in events[:-1])


def test_progress_is_reported_while_documents_are_read(
    made: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seqforge.data.encoding.REPORT_SECONDS", -1.0)
    events: list[WorkProgressed] = []
    encode_corpus(made.Documents({"a": "one", "b": "two"}), made.VOCABULARIES["characters"](), tmp_path, events.append)
    assert [(event.work, event.amount) for event in events] == [
        ("encoding", "1 document, 3 bytes"),
        ("encoding", "2 documents, 6 bytes"),
        ("encoded", "2 documents, 6 bytes"),
    ]


def test_documents_of_an_earlier_file_are_copied_and_others_encoded(
    encoded: Encode, made: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seqforge.data.encoding._COMPARED_TOKENS", 3)
    names = ("same", "other start", "other end", "of another name", "new", "empty")
    earlier = encoded(dict(zip(names, ("abcdefg", "abcdefg", "abcdefg", "third", "", ""), strict=True)))
    bytes_of, calls = type(made.VOCABULARIES["bytes"]()), list[bytes]()

    class Recording(bytes_of):  # type: ignore[valid-type,misc]
        def encode_bytes(self, content: bytes) -> Any:
            calls.append(content)
            return super().encode_bytes(content)

    documents = dict(zip(names, ("abcdefg", "Abcdefg", "abcdefG", "forth", "words", ""), strict=True))
    file = encode_corpus(made.Documents(documents), Recording(), tmp_path, lambda _: None, earlier)
    assert [content for content in calls if content] == [b"Abcdefg", b"abcdefG", b"forth", b"words"]
    assert (tmp_path / "tokens.bin").read_bytes() == "".join(documents.values()).encode()
    assert file.digest == encoded(documents).digest


def test_a_vocabulary_of_many_long_words_can_be_read_again(tmp_path: Path):
    words = [f"{'ы' * 50}{number}" for number in range(60_000)]
    vocabulary = Words(size=70_000)
    vocabulary.learn([" ".join(words).encode()])
    write_vocabulary(vocabulary, tmp_path)
    assert (tmp_path / VOCABULARY).stat().st_size > 1 << 24
    again = Words(size=70_000)
    read_vocabulary(again, tmp_path / VOCABULARY)
    assert again.state() == vocabulary.state()


@pytest.mark.parametrize(("limit", "value"), [("MAXIMUM_ENTRIES", 1), ("MAXIMUM_SIZE", 700)])
def test_a_vocabulary_that_could_not_be_read_again_is_not_written(
    limit: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VocabularyRecord, limit, value)
    vocabulary = Words(size=1000)
    vocabulary.learn([" ".join(f"word{number}" for number in range(100)).encode()])
    with pytest.raises(DataError, match=r"the vocabulary of \d+ symbols is too large"):
        write_vocabulary(vocabulary, tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    write_vocabulary(vocabulary, tmp_path)


def test_a_corpus_can_report_progress_while_it_has_no_document(made: ModuleType, tmp_path: Path):
    class Archive(made.Documents):
        def read(self, report: Report) -> Iterator[Document]:
            report(WorkProgressed("reading an archive", 0.5))
            return super().read(report)

    events: list[WorkProgressed] = []
    encode_corpus(Archive({"a": "one"}), made.VOCABULARIES["bytes"](), tmp_path, events.append)
    assert events == [WorkProgressed("reading an archive", 0.5), WorkProgressed("encoded", 1.0, "1 document, 3 bytes")]


class Letters(Vocabulary):
    """The 26 letters, encoded into an array that is strided in memory."""

    @property
    def size(self) -> int:
        return 26

    def encode_bytes(self, content: bytes) -> Any:
        for position, code in enumerate(content):
            if not 97 <= code <= 122:
                raise UnknownSymbolError(chr(code), position, hint="Write letters.")
        return np.repeat(np.frombuffer(content, dtype=np.uint8).astype(np.int64) - 97, 2)[::2]

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        return bytes(token + 97 for token in tokens)

    def state(self) -> dict[str, Any]:
        return {"letters": 26}

    def restore(self, state: dict[str, Any]) -> None:
        if state != {"letters": 26}:
            raise ValueError("not the letters")


class LearnsFromTheFirst(Letters):
    """Reads only the first document to learn."""

    learns = True

    def learn(self, contents: Iterable[bytes]) -> None:
        assert next(iter(contents)) == b"first"


def test_tokens_of_any_type_and_memory_layout_are_written(encoded: Encode):
    token_file = encoded({"one": "abz"}, Letters())
    assert token_file.dtype == np.uint8
    assert token_file.map().read().tolist() == [0, 1, 25]


def test_a_vocabulary_may_stop_learning_early(encoded: Encode):
    token_file = encoded({"a": "first", "b": "second", "c": "third"}, LearnsFromTheFirst())
    assert token_file.names == ["a", "b", "c"]
    assert Letters().decode(token_file.map().read()) == b"firstsecondthird"


def test_a_document_that_is_not_utf8_is_an_error_that_names_it(made: ModuleType, tmp_path: Path):
    corpus = made.Documents({"good": "fine"})
    corpus.contents["notes/bad.txt"] = b"fine\xff"
    with pytest.raises(DataError, match=r"^notes/bad.txt: byte 0xff at offset 4 is not UTF-8"):
        encode_corpus(corpus, made.VOCABULARIES["characters"](), tmp_path, lambda _: None)


def test_a_symbol_outside_the_vocabulary_is_an_error_that_names_the_document(encoded: Encode):
    with pytest.raises(DataError) as caught:
        encoded({"good": "fine", "notes/bad.txt": "not fine"}, Letters())
    assert str(caught.value) == "notes/bad.txt: ' ' at position 3 is not in the vocabulary\nWrite letters."


class LearnsOnce(LearnsFromTheFirst):
    """Knows only the letters of the first document."""

    def encode_bytes(self, content: bytes) -> np.ndarray:
        if content != b"first":
            raise UnknownSymbolError("x", 0)
        return np.zeros(5, dtype=np.int64)


def test_a_symbol_that_was_not_learned_is_blamed_on_the_corpus_or_the_vocabulary(encoded: Encode):
    with pytest.raises(DataError) as caught:
        encoded({"a": "first", "b": "second"}, LearnsOnce())
    assert caught.value.message == "b: 'x' at position 0 is not in the vocabulary"
    hint = "Either Documents.documents yielded other text than before, or LearnsOnce.learn left it out."
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("state", "reason"),
    [({}, "the state of the vocabulary `characters` must be"), ({"characters": "ba"}, "must be distinct and in")],
)
def test_the_state_of_another_vocabulary_is_an_error(
    made: ModuleType, tmp_path: Path, state: dict[str, Any], reason: str
):
    path = tmp_path / VOCABULARY
    VocabularyRecord(state=state).write(path)
    with pytest.raises(DamagedFileError) as caught:
        read_vocabulary(made.VOCABULARIES["characters"](), path)
    assert caught.value.message.startswith(f"{path}: not the state of this vocabulary: ")
    assert reason in caught.value.message


@pytest.mark.parametrize("size", [256.0, -1, "256"])
def test_a_size_that_is_no_number_of_symbols_names_the_vocabulary(encoded: Encode, made: ModuleType, size: object):
    vocabulary: Vocabulary = type("Wrong", (made.VOCABULARIES["bytes"],), {"size": size, "learns": True})()
    with pytest.raises(PluginError, match=f"`size` is {size!r}, not an integer that is at least 0"):
        encoded({"a": "text"}, vocabulary)
