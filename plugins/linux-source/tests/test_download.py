"""Downloads from a server on this machine: complete, resumed and rejected ones."""

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

from seqforge.errors import DataError, ExperimentError, SeqforgeError
from seqforge.storage.cache import open_cache_folder

EVERYTHING = Selection(["**"], [], [".c", ".h"])
NAME = "linux-6.12.tar.xz"


class Mirror(ThreadingHTTPServer):
    """Server of one file under `/v6.x/`.

    Attributes:
        content: Content of the file.
        knows_ranges: Whether the server supports range requests.
        stops_after: Number of bytes after which a response ends early, or None.
        requests: Range header of each request, or None.
    """

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.knows_ranges = True
        self.stops_after = None
        self.requests = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Handler of one request."""

    def do_GET(self):
        requested_range = self.headers.get("Range")
        self.server.requests.append(requested_range)
        if self.path != f"/v6.x/{NAME}":
            self.send_error(404)
            return
        content, start = self.server.content, 0
        if requested_range and self.server.knows_ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", requested_range)[1])
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
    """Yield a mirror of kernel.org with one small release."""
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
    """Return the hash of the release."""
    return hashlib.sha256(mirror.content).hexdigest()


@pytest.fixture
def cache_folder(tmp_path):
    """Return the folder of the downloaded files."""
    return tmp_path / "cache" / "linux-source"


def test_release_is_downloaded_once(mirror, sha256, c_files):
    corpus = LinuxSource(source="download", mirror=mirror.address, sha256=sha256)
    assert "downloaded now" in corpus.describe()

    for _ in range(2):
        assert {document.name: document.content for document in corpus.documents()} == c_files
    assert mirror.requests == [None]
    assert "downloaded earlier" in corpus.describe()


def test_fingerprint_needs_no_download(mirror, sha256):
    first = LinuxSource(source="download", mirror=mirror.address, sha256=sha256).fingerprint()
    other = LinuxSource(source="download", mirror=mirror.address, sha256="0" * 64).fingerprint()

    assert first != other
    assert mirror.requests == []


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_interrupted_download_is_resumed(mirror, sha256, cache_folder, files, knows_ranges, monkeypatch):
    mirror.knows_ranges = knows_ranges
    release = Release.choose("6.12", sha256, mirror.address)
    mirror.stops_after = 120
    monkeypatch.setattr(download, "_PIECE_SIZE", 50)
    with pytest.raises(DataError) as caught:
        list(release.files(EVERYTHING))
    assert "resume" in caught.value.hint
    assert (cache_folder / f"{NAME}.part").read_bytes() == mirror.content[:100]

    mirror.stops_after = None
    assert len(list(release.files(EVERYTHING))) == len([name for name in files if name.endswith((".c", ".h"))])
    assert mirror.requests == [None, "bytes=100-"]
    assert (cache_folder / NAME).read_bytes() == mirror.content


def test_complete_partial_file_is_not_downloaded_again(mirror, sha256, cache_folder):
    open_cache_folder("linux-source")
    (cache_folder / f"{NAME}.part").write_bytes(mirror.content)

    list(Release.choose("6.12", sha256, mirror.address).files(EVERYTHING))
    assert mirror.requests == []


def test_partial_file_that_is_longer_than_the_release_is_replaced(mirror, sha256, cache_folder):
    open_cache_folder("linux-source")
    (cache_folder / f"{NAME}.part").write_bytes(mirror.content + b"more")

    list(Release.choose("6.12", sha256, mirror.address).files(EVERYTHING))
    assert mirror.requests == [f"bytes={len(mirror.content) + 4}-", None]


def test_file_with_another_hash_is_rejected_and_deleted(mirror, cache_folder):
    release = Release.choose("6.12", "0" * 64, mirror.address)

    with pytest.raises(DataError, match="does not have the SHA-256 0000"):
        list(release.files(EVERYTHING))
    assert list(cache_folder.iterdir()) == []


def test_partial_file_of_another_release_is_rejected_and_the_next_download_succeeds(mirror, sha256, cache_folder):
    open_cache_folder("linux-source")
    (cache_folder / f"{NAME}.part").write_bytes(b"something else")
    release = Release.choose("6.12", sha256, mirror.address)

    with pytest.raises(DataError, match="does not have the SHA-256"):
        list(release.files(EVERYTHING))
    assert len(list(release.files(EVERYTHING))) > 0


def test_size_of_a_response_is_limited(mirror, sha256, cache_folder, monkeypatch):
    monkeypatch.setattr(download, "_LARGEST_DOWNLOAD", 100)

    with pytest.raises(DataError, match="larger than 100 bytes"):
        list(Release.choose("6.12", sha256, mirror.address).files(EVERYTHING))
    assert not (cache_folder / f"{NAME}.part").exists()


def test_damaged_file_in_the_cache_is_downloaded_again(mirror, sha256, cache_folder):
    release = Release.choose("6.12", sha256, mirror.address)
    list(release.files(EVERYTHING))
    (cache_folder / NAME).write_bytes(b"damaged")

    assert len(list(release.files(EVERYTHING))) > 0
    assert mirror.requests == [None, None]


def test_release_that_does_not_exist_is_an_error(mirror):
    with pytest.raises(DataError, match="404"):
        list(Release.choose("6.999", "0" * 64, mirror.address).files(EVERYTHING))


def test_unreachable_server_is_an_error(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    with pytest.raises(DataError, match="cannot be downloaded"):
        list(Release.choose("6.12", None, "http://127.0.0.1:9").files(EVERYTHING))


@pytest.mark.parametrize(("folder", "message"), [("/proc/cache", "cannot be written"), ("file", "not a folder")])
def test_unwritable_cache_is_an_error(mirror, sha256, monkeypatch, tmp_path, folder, message):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / folder))

    with pytest.raises(SeqforgeError, match=message) as caught:
        list(Release.choose("6.12", sha256, mirror.address).files(EVERYTHING))
    assert "SEQFORGE_CACHE" in caught.value.hint


def test_release_with_an_unknown_hash_needs_the_option_sha256():
    with pytest.raises(ExperimentError) as caught:
        LinuxSource(source="download", release="5.4.1")
    assert "https://cdn.kernel.org/pub/linux/kernel/v5.x/sha256sums.asc" in caught.value.hint


def test_hash_of_the_default_release_is_known():
    url = "https://cdn.kernel.org/pub/linux/kernel/v6.x/linux-6.12.tar.xz"

    assert LinuxSource(source="download").describe().startswith(f"Linux source from {url}, ")
