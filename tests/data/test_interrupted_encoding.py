"""An encoding that is killed continues where it was, and ends with the same bytes; damaged tokens are not continued."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from seqforge.data.dataset import load_token_file
from seqforge.kinds import Document
from seqforge.storage.cache import JOURNAL

DOCUMENTS = {f"document-{number}": f"text {number} naïve €\n" * (3 * number) for number in range(40)}


@pytest.fixture(autouse=True)
def often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge.data.encoding.CHECKPOINT_SIZE", 1000)
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=["bytes", "characters", "learned"])
def vocabulary(request: pytest.FixtureRequest, made: ModuleType) -> Callable[[], Any]:
    class Learned(made.WithoutCodes):
        """Notes in a file of the folder that it was trained."""

        def learn(self, contents: Iterable[bytes]) -> None:
            with Path("learned").open("a") as file:
                file.write("once\n")
            super().learn(contents)

    if request.param == "learned":
        return lambda: Learned(made.VOCABULARIES["characters"]())
    return made.VOCABULARIES[request.param]


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Source:
    """Kills the process before a document, and counts those that were read."""

    def __init__(self, made: ModuleType, kill: int | None = None) -> None:
        self.corpus = made.Watched(DOCUMENTS, self.before)
        self.kill = kill

    def before(self, count: int) -> None:
        if count == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)


def encode(source: Source, vocabulary: Callable[[], Any], report: Callable[[Any], None] = lambda _: None) -> Any:
    return load_token_file(source.corpus, vocabulary(), {}, report)


def kill_while_encoding(made: ModuleType, vocabulary: Callable[[], Any], kill: int) -> Path:
    """Encode in a process that is killed, and return the folder that it leaves."""
    child = os.fork()
    if child == 0:
        try:
            inner = vocabulary()
            encoded, original = 0, inner.encode_bytes

            def encode_bytes(content: bytes) -> Any:
                nonlocal encoded
                encoded += 1
                if encoded == kill:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(content)

            if hasattr(inner, "codes"):
                encode(Source(made, kill), lambda: inner)
            else:
                inner.encode_bytes = encode_bytes
                encode(Source(made), lambda: inner)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    [left] = Path(os.environ["SEQFORGE_CACHE"]).glob("tokens/*.tmp")
    return left


@pytest.mark.parametrize("kill", [12, 25, 38])
def test_a_killed_encoding_continues_with_the_same_bytes(
    made: ModuleType,
    vocabulary: Callable[[], Any],
    kill: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    left = kill_while_encoding(made, vocabulary, kill)
    assert (left / JOURNAL).read_bytes().count(b"\n") > 1
    load_token_file(made.Documents(made.TEXTS), vocabulary(), {}, lambda _: None)
    monkeypatch.setattr("seqforge.data.encoding.REPORT_SECONDS", -1.0)
    events: list[Any] = []
    continued = encode(Source(made), vocabulary, events.append)
    encoded = [int(event.amount.partition(" ")[0]) for event in events if event.work in ("encoding", "encoded")]
    assert encoded[0] > 5
    assert [event.work for event in events][: encoded[0]] == ["continuing"] * (encoded[0] - 1) + ["encoding"]
    assert encoded[-1] == len(DOCUMENTS)
    assert not left.exists()
    if (tmp_path / "learned").exists():
        assert (tmp_path / "learned").read_text() == "once\n" * 2  # of this corpus, and of the other one
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "other"))
    whole = encode(Source(made), vocabulary)
    assert content_of(continued.folder) == content_of(whole.folder)


@pytest.mark.parametrize("damage", ["tokens", "journal", "cut tokens", "cut journal", "vocabulary"])
def test_what_was_damaged_is_encoded_again(
    made: ModuleType, vocabulary: Callable[[], Any], damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    left = kill_while_encoding(made, vocabulary, 38)
    path = left / ("tokens.bin" if "tokens" in damage else JOURNAL)
    content = path.read_bytes()
    if damage == "vocabulary":
        (left / "vocabulary.json").write_bytes(b"{}")
    elif "cut" in damage:
        path.write_bytes(content[: len(content) // 3])
    else:
        place = 2 * len(content) // 3
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    continued = encode(Source(made), vocabulary)
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "other"))
    assert content_of(continued.folder) == content_of(encode(Source(made), vocabulary).folder)


def test_an_interrupt_keeps_what_was_written_and_an_error_does_not(made: ModuleType, tmp_path: Path) -> None:
    class Stops(made.Documents):
        error: BaseException

        def documents(self) -> Iterator[Document]:
            yield from list(super().documents())[:30]
            raise self.error

    corpus = Stops(DOCUMENTS)
    for corpus.error, kept in ((KeyboardInterrupt(), 1), (ValueError(), 0)):
        with pytest.raises(type(corpus.error)):
            load_token_file(corpus, made.VOCABULARIES["bytes"](), {}, lambda _: None)
        assert len([*tmp_path.glob("cache/tokens/*.tmp")]) == kept
