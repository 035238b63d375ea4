"""Downloads, from a server on this machine: whole, resumed, refused."""

import hashlib
import lzma
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from seqforge_linux_source import download
from seqforge_linux_source.corpus import LinuxSource
from seqforge_linux_source.download import Release
from seqforge_linux_source.source import Selection

from seqforge.errors import DataError, ExperimentError

EVERYTHING = Selection(["**"], [], [".c", ".h"])
NAME = "linux-6.12.tar.xz"


class Mirror(ThreadingHTTPServer):
    """Serves one file under `/v6.x/`, and can be told to misbehave."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.knows_ranges = True
        self.stops_after = None
        self.asked = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if self.path != f"/v6.x/{NAME}":
            self.send_error(404)
            return
        content, start = self.server.content, 0
        if wanted and self.server.knows_ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.stops_after])

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def mirror(kernel_tar, monkeypatch):
    """A mirror of kernel.org with one small release."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Mirror(lzma.compress(kernel_tar))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sha256(mirror):
    """The right hash."""
    return hashlib.sha256(mirror.content).hexdigest()


@pytest.fixture
def kept(tmp_path):
    """The folder in which downloads are kept."""
    return tmp_path / "cache" / "linux-source"


def test_a_release_is_fetched_once_and_read(mirror, sha256, c_files):
    corpus = LinuxSource(source="download", mirror=mirror.address, sha256=sha256)
    assert "downloaded now" in corpus.describe()

    for _ in range(2):
        assert {document.name: document.content for document in corpus.documents()} == c_files
    assert mirror.asked == [None]
    assert "downloaded earlier" in corpus.describe()


def test_the_fingerprint_needs_no_download(mirror, sha256):
    first = LinuxSource(source="download", mirror=mirror.address, sha256=sha256).fingerprint()
    other = LinuxSource(source="download", mirror=mirror.address, sha256="0" * 64).fingerprint()

    assert first != other
    assert mirror.asked == []


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_an_interrupted_download_goes_on_where_it_stopped(mirror, sha256, kept, files, knows_ranges, monkeypatch):
    mirror.knows_ranges = knows_ranges
    release = Release.choose("6.12", sha256, mirror.address)
    mirror.stops_after = 120
    monkeypatch.setattr(download, "_PIECE_SIZE", 50)
    with pytest.raises(DataError) as caught:
        list(release.files(EVERYTHING))
    assert "resume" in caught.value.hint
    assert (kept / f"{NAME}.part").read_bytes() == mirror.content[:100]

    mirror.stops_after = None
    assert len(list(release.files(EVERYTHING))) == len([name for name in files if name.endswith((".c", ".h"))])
    assert mirror.asked == [None, "bytes=100-"]
    assert (kept / NAME).read_bytes() == mirror.content


def test_a_download_that_was_whole_but_not_yet_checked_is_taken(mirror, sha256, kept):
    kept.mkdir(parents=True)
    (kept / f"{NAME}.part").write_bytes(mirror.content)

    list(Release.choose("6.12", sha256, mirror.address).files(EVERYTHING))
    assert mirror.asked == [f"bytes={len(mirror.content)}-"]


def test_a_part_that_is_longer_than_the_file_is_thrown_away(mirror, sha256, kept):
    kept.mkdir(parents=True)
    (kept / f"{NAME}.part").write_bytes(mirror.content + b"more")

    list(Release.choose("6.12", sha256, mirror.address).files(EVERYTHING))
    assert mirror.asked == [f"bytes={len(mirror.content) + 4}-", None]


def test_another_hash_is_refused_and_nothing_stays(mirror, kept):
    release = Release.choose("6.12", "0" * 64, mirror.address)

    with pytest.raises(DataError, match="does not have the SHA-256 0000"):
        list(release.files(EVERYTHING))
    assert {path.name for path in kept.iterdir()} <= {f"{NAME}.lock"}


def test_a_part_of_something_else_is_refused_and_the_next_run_succeeds(mirror, sha256, kept):
    kept.mkdir(parents=True)
    (kept / f"{NAME}.part").write_bytes(b"something else")
    release = Release.choose("6.12", sha256, mirror.address)

    with pytest.raises(DataError, match="does not have the SHA-256"):
        list(release.files(EVERYTHING))
    assert len(list(release.files(EVERYTHING))) > 0


def test_an_answer_without_end_is_cut_off(mirror, sha256, kept, monkeypatch):
    monkeypatch.setattr(download, "_LARGEST_DOWNLOAD", 100)

    with pytest.raises(DataError, match="larger than 100 bytes"):
        list(Release.choose("6.12", sha256, mirror.address).files(EVERYTHING))
    assert not (kept / f"{NAME}.part").exists()


def test_a_kept_file_that_was_damaged_is_fetched_anew(mirror, sha256, kept):
    release = Release.choose("6.12", sha256, mirror.address)
    list(release.files(EVERYTHING))
    (kept / NAME).write_bytes(b"damaged")

    assert len(list(release.files(EVERYTHING))) > 0
    assert mirror.asked == [None, None]


def test_a_release_that_is_not_there_is_an_error(mirror):
    with pytest.raises(DataError, match="404"):
        list(Release.choose("6.999", "0" * 64, mirror.address).files(EVERYTHING))


def test_a_server_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    with pytest.raises(DataError, match="cannot be downloaded"):
        list(Release.choose("6.12", None, "http://127.0.0.1:9").files(EVERYTHING))


def test_a_cache_that_cannot_be_written_is_an_error(mirror, sha256, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "file"))

    with pytest.raises(DataError, match="cannot be written") as caught:
        list(Release.choose("6.12", sha256, mirror.address).files(EVERYTHING))
    assert "SEQFORGE_CACHE" in caught.value.hint


def test_a_release_whose_hash_is_not_known_wants_one():
    with pytest.raises(ExperimentError) as caught:
        LinuxSource(source="download", release="5.4.1")
    assert "https://cdn.kernel.org/pub/linux/kernel/v5.x/sha256sums.asc" in caught.value.hint


def test_the_default_release_is_known():
    url = "https://cdn.kernel.org/pub/linux/kernel/v6.x/linux-6.12.tar.xz"

    assert LinuxSource(source="download").describe().startswith(f"Linux source from {url}, ")
