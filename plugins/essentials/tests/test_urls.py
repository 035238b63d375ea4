"""Corpora of files at URLs: patterns, formats, downloads in the cache, and what servers do wrong."""

import contextlib
import errno
import gzip
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from seqforge_essentials.corpora import TextFiles
from seqforge_essentials.records import JsonLines
from tar_files import make_tar

import seqforge as sf
from seqforge.errors import DataError, PluginError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.pipe({"/texts/b.txt": b"two", "/texts/a.txt.gz": gzip.compress(b"one"), "/texts/c.jsonl": b'{"text": "c"}'})
    yield system
    system.rm("/texts", recursive=True)


def texts(*files: str | Path) -> dict[str, str]:
    return {document.name: document.content.decode() for document in TextFiles([*files]).documents()}


def test_files_and_patterns_are_read_in_order_and_decompressed(memory: Any, tmp_path: Path) -> None:
    (tmp_path / "local.txt").write_text("three")
    found = texts("memory://texts/*.txt*", tmp_path / "local.txt")
    assert found == {"local.txt": "three", "texts/a.txt.gz": "one", "texts/b.txt": "two"}
    [record] = JsonLines(["memory://texts/c.jsonl"]).documents()
    assert (record.name, record.content) == ("texts/c.jsonl:1", b"c")
    assert TextFiles(["memory://texts/b.txt"]).describe() == "memory://texts/b.txt, 3 bytes"


def test_a_file_is_downloaded_once_and_again_when_it_changes(memory: Any, capfd: pytest.CaptureFixture[str]) -> None:
    first = TextFiles(["memory://texts/b.txt"]).fingerprint()
    assert TextFiles(["memory://texts/b.txt"]).fingerprint() == first
    assert capfd.readouterr().err.count("copying /texts/b.txt into the cache\n") == 1
    memory.pipe("/texts/b.txt", b"new")
    assert texts("memory://texts/b.txt") == {"texts/b.txt": "new"}
    assert TextFiles(["memory://texts/b.txt"]).fingerprint() != first


def test_what_cannot_be_reached_is_read_from_the_cache(
    memory: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise TimeoutError("no answer")

    whole = texts("memory://texts/b.txt")
    monkeypatch.setattr(memory, "info", refuse)
    assert texts("memory://texts/b.txt") == whole
    assert "memory://texts/b.txt is read from the cache: no answer" in capfd.readouterr().err


def test_an_experiment_names_a_url(memory: Any, tmp_path: Path) -> None:
    table = {"corpus": {"use": "text", "files": ["memory://texts/b.txt", "local.txt"]}}
    corpus = sf.Experiment.from_dict(table, tmp_path).corpus
    assert list(map(str, corpus.table["files"])) == ["memory://texts/b.txt", str(tmp_path / "local.txt")]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://texts/none.txt", r"memory://texts/none\.txt: FileNotFoundError"),
        ("memory://texts/*.md", r"no file matches memory://texts/\*\.md"),
        ("memory://texts", "no file matches memory://texts\nOf a folder"),
        ("s3://bucket/a.txt", "s3://bucket/a.txt: ImportError: Install s3fs"),
        ("nothing://a", "nothing://a: ValueError: Protocol not known"),
        ("memory://texts/b.bin", r"/b\.bin: byte 0xff at offset 0"),
    ],
)
def test_mistakes_name_the_url(memory: Any, url: str, message: str) -> None:
    memory.pipe("/texts/b.bin", b"\xff")
    with pytest.raises(DataError, match=message):
        texts(url)


def test_the_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(PluginError) as raised:
        texts("https://example.org/a.txt")
    assert raised.value.hint == "To install it: pip install 'seqforge-essentials[fsspec]'"


def test_a_url_of_a_local_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(make_tar([("b.txt", b"three"), ("c.txt", b"four")]))
    assert [*texts(f"file://{tmp_path}/a.tar").values()] == ["three", "four"]


class Handler(BaseHTTPRequestHandler):
    """Serves a text, one that is cut, and one of unknown size, and ignores requests for a range of bytes."""

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        sizes = {"/whole": 6_000_000, "/cut": 6_000_001, "/endless": None}
        if self.path not in sizes:
            self.send_error(404)
            return
        self.send_response(200)
        if (size := sizes[self.path]) is not None:
            self.send_header("Content-Length", str(size))
        self.end_headers()
        if body:
            with contextlib.suppress(ConnectionError):  # The client may stop.
                self.wfile.write(b"hello\n" * 1_000_000)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    pytest.importorskip("aiohttp")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_a_server_of_http_is_read(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert texts(f"{server}/whole") == {f"{server.removeprefix('http://')}/whole": "hello\n" * 1_000_000}
    monkeypatch.setattr("seqforge_essentials.downloads.MOST_BYTES", 1 << 20)
    for name, message in (
        ("missing", "FileNotFoundError"),
        ("cut", "/cut: "),
        ("endless", "more than 1,048,576 bytes"),
    ):
        with pytest.raises(DataError, match=message):
            texts(f"{server}/{name}")


def test_without_a_connection_the_last_copy_is_read(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("aiohttp")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{http.server_port}"
        whole = texts(f"{url}/whole")
        http.shutdown()
    assert texts(f"{url}/whole") == whole
    assert f"{url}/whole is read from the cache: Cannot connect to host" in capfd.readouterr().err
    with pytest.raises(DataError, match="/cut: FileNotFoundError"):
        texts(f"{url}/cut")


def test_a_read_only_cache_is_read(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = texts("memory://texts/b.txt")

    def refuse(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("seqforge.storage.records.write_atomically", refuse)
    assert texts("memory://texts/b.txt") == found
