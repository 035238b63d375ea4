"""The corpus `text` with zip and tar archives: their files are documents, whatever is wrong or hostile about them."""

import contextlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials import archives
from seqforge_essentials.corpora import TextFiles
from tar_files import make_tar

from seqforge.errors import DataError

FILES = [("b/one.txt", b"first\n"), ("two.c", b"int x;\n"), ("/../ä.txt", "zwei ä".encode()), ("b/one.txt", b"again")]
EXPECTED = {"b/one.txt": "first\n", "two.c": "int x;\n", "/../ä.txt": "zwei ä"}


def make_zip(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def texts(path: Path, members: str = "*") -> dict[str, str]:
    return {document.name: document.content.decode() for document in TextFiles([path], members=members).documents()}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "pack", [make_zip, make_tar, lambda files: lzma.compress(make_tar(files))], ids=["zip", "tar", "tar.xz"]
)
def test_each_file_of_an_archive_is_a_document(
    pack: Callable[[list[tuple[str, bytes]]], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "texts.bin"
    path.write_bytes(pack(FILES))
    assert texts(path) == {f"texts.bin/{name}": text for name, text in EXPECTED.items()}
    assert texts(path, "*.c") == {"texts.bin/two.c": "int x;\n"}
    with pytest.raises(DataError, match=r"no file in the archive fits '\*.py'"):
        texts(path, "*.py")


def test_a_tar_archive_may_end_with_a_zip_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(make_tar([("one.txt", b"one"), ("in.zip", make_zip([("two.txt", b"two")]))]))
    assert texts(tmp_path / "a.tar", "*.txt") == {"a.tar/one.txt": "one"}


def test_links_and_folders_are_left_out(tmp_path: Path) -> None:
    link, folder = tarfile.TarInfo("link"), tarfile.TarInfo("folder")
    link.type, link.linkname, folder.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.DIRTYPE
    (tmp_path / "a.tar").write_bytes(make_tar([(link, b""), (folder, b""), ("a", b"text")]))
    assert texts(tmp_path / "a.tar") == {"a.tar/a": "text"}


@pytest.mark.parametrize("pack", [make_zip, lambda files: lzma.compress(make_tar(files))], ids=["zip", "tar.xz"])
def test_a_large_file_in_an_archive_is_an_error(
    pack: Callable[[list[tuple[str, bytes]]], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    (tmp_path / "bomb").write_bytes(pack([("zeros", bytes(5000))]))
    with pytest.raises(DataError, match="bomb/zeros: it decompresses to more than"):
        texts(tmp_path / "bomb")


def test_an_encrypted_file_is_an_error(tmp_path: Path) -> None:
    content = bytearray(make_zip([("a", b"text")]))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for start in range(len(content)):
            if content[start : start + 4] == signature:
                content[start + place] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="encrypted"):
        texts(tmp_path / "a.zip")


@settings(deadline=None)
@given(data=st.data(), pack=st.sampled_from([make_zip, make_tar]))
def test_a_damaged_archive_is_read_or_a_clear_error(
    data: st.DataObject, pack: Callable[[list[tuple[str, bytes]]], bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(pack(FILES[:3]))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "a"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    found = dict[str, str]()
    with contextlib.suppress(DataError):
        found = texts(path)
    assert all(name == "a" or name.startswith("a/") for name in found)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(make_zip([("picture", b"\x89PNG")]))
    with pytest.raises(DataError, match=r"a.zip/picture: byte 0x89"):
        texts(tmp_path / "a.zip")
