"""A large corpus is encoded by several processes, with the same result as by one, whatever happens to them."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqforge.data import parallel_encoding
from seqforge.data.parallel_encoding import encode_documents
from seqforge.errors import DataError
from seqforge.kinds import Document, Vocabulary

DOCUMENTS = [Document(f"document-{number}", b"naive" * number) for number in range(60)]


@pytest.fixture(autouse=True)
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_encoding, "START_SECONDS", -1.0)
    monkeypatch.setattr(parallel_encoding, "BATCH_SIZE", 300)
    monkeypatch.setattr(parallel_encoding, "own_cores", lambda: 2)


def vocabulary(elsewhere: Callable[[], object], folder: Path, wrong: bytes = b"none") -> Vocabulary:
    """Return a vocabulary that calls a function in other processes, and leaves a file for each process."""
    here = os.getpid()

    # cloudpickle stores a class of a function by value, so that another process can load it.
    class Inverted(Vocabulary):
        size = 256

        def encode_bytes(self, content: bytes) -> Any:
            (folder / str(os.getpid())).touch()
            if os.getpid() != here:
                elsewhere()
            if content == wrong:
                raise DataError("a wrong document", hint="Leave it out.")
            return 255 - np.frombuffer(content, np.uint8)

        def decode_tokens(self, tokens: Any) -> bytes:
            return bytes(255 - token for token in tokens)

        def state(self) -> dict[str, Any]:
            return {}

        def restore(self, state: dict[str, Any]) -> None:
            pass

    return Inverted()


def fail() -> None:
    raise OSError("not here")


@pytest.mark.parametrize("elsewhere", [lambda: None, lambda: fail(), lambda: os._exit(3)], ids=["fine", "fail", "die"])
def test_every_document_is_encoded_whatever_happens_to_the_processes(elsewhere: Callable[[], object], tmp_path: Path):
    encoded = [*encode_documents(iter(DOCUMENTS), vocabulary(elsewhere, tmp_path))]
    assert [document for document, _ in encoded] == DOCUMENTS
    for document, tokens in encoded:
        assert tokens.dtype == np.uint8
        assert bytes(255 - tokens) == document.content
    assert len([*tmp_path.iterdir()]) > 1


def test_a_vocabulary_that_cannot_be_pickled_encodes_here(tmp_path: Path):
    unpicklable = vocabulary(fail, tmp_path)
    unpicklable.lock = threading.Lock()  # pyright: ignore[reportAttributeAccessIssue]
    encoded = [*encode_documents(iter(DOCUMENTS), unpicklable)]
    assert [bytes(255 - tokens) for _, tokens in encoded] == [document.content for document in DOCUMENTS]
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]


def test_known_tokens_are_not_computed_again(tmp_path: Path):
    known = np.array([1, 2], np.uint8)
    with pytest.raises(DataError, match="document-59: a wrong document"):
        [*encode_documents(iter(DOCUMENTS), vocabulary(lambda: None, tmp_path, DOCUMENTS[59].content))]
    found = lambda document: known if document.name == "document-59" else None  # noqa: E731
    wrong = vocabulary(lambda: None, tmp_path, DOCUMENTS[59].content)
    encoded = [*encode_documents(iter(DOCUMENTS), wrong, found)]
    assert encoded[-1] == (DOCUMENTS[59], known)
    assert [bytes(255 - tokens) for _, tokens in encoded[:-1]] == [document.content for document in DOCUMENTS[:-1]]


def test_an_interrupt_ends_the_processes(tmp_path: Path):
    pairs = encode_documents(iter(DOCUMENTS), vocabulary(lambda: None, tmp_path))
    for _ in range(20):
        next(pairs)
    others = {int(path.name) for path in tmp_path.iterdir()} - {os.getpid()}
    assert others
    for process in others:
        os.kill(process, signal.SIGINT)  # Ctrl-C reaches them too
    next(pairs)
    pairs.close()
    for process in others:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
