"""A large corpus is encoded by several processes, with the same result as by one, whatever happens to them."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fork_server import send_parent, start_process
from loky.backend.context import set_start_method

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


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fork the processes from one that has imported torch. Those of users are fresh, and take two seconds to start."""
    receiving, sending = Pipe(duplex=False)
    start_process(send_parent, sending).join()
    server = receiving.recv()
    # The processes end after their parent, which is the server.
    monkeypatch.setattr(parallel_encoding, "os", SimpleNamespace(getpid=lambda: server))
    set_start_method("forkserver", force=True)
    yield
    set_start_method(None, force=True)


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


def test_every_document_is_encoded_in_order(tmp_path: Path):
    require_whole_encoding(lambda: None, tmp_path)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("elsewhere", [lambda: fail(), lambda: os._exit(3)], ids=["fail", "die"])
def test_every_document_is_encoded_whatever_happens_to_the_processes(elsewhere: Callable[[], object], tmp_path: Path):
    require_whole_encoding(elsewhere, tmp_path)


def require_whole_encoding(elsewhere: Callable[[], object], tmp_path: Path) -> None:
    encoded = [*encode_documents(iter(DOCUMENTS), vocabulary(elsewhere, tmp_path))]
    assert [document for document, _ in encoded] == DOCUMENTS
    for document, tokens in encoded:
        assert tokens.dtype == np.uint8
        assert bytes(255 - tokens) == document.content
    assert len([*tmp_path.iterdir()]) > 1


@pytest.mark.usefixtures("forked")
def test_a_vocabulary_that_cannot_be_pickled_encodes_here(tmp_path: Path):
    unpicklable = vocabulary(fail, tmp_path)
    unpicklable.lock = threading.Lock()  # pyright: ignore[reportAttributeAccessIssue]
    encoded = [*encode_documents(iter(DOCUMENTS), unpicklable)]
    assert [bytes(255 - tokens) for _, tokens in encoded] == [document.content for document in DOCUMENTS]
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]


@pytest.mark.usefixtures("forked")
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
