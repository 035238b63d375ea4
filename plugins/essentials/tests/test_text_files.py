"""The corpus `text`: patterns, names of documents, encodings, and errors."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.corpora import TextFiles

from seqforge.errors import DataError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Create a folder with five files."""
    for name, content in {
        "b.txt": b"b",
        "a/one.txt": b"one",
        "a/two.md": b"two",
        "a/deep/three.txt": b"three",
        "a/.hidden/four.txt": b"four",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def document_names(corpus: TextFiles) -> list[str]:
    return [document.name for document in corpus.documents()]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["b.txt"], ["b.txt"]),
        (["*.txt"], ["b.txt"]),
        (["**/*.txt"], ["a/deep/three.txt", "a/one.txt", "b.txt"]),
        (["a/**"], ["deep/three.txt", "one.txt", "two.md"]),
        (["a/*.txt", "a/*", "a/../a/one.txt"], ["one.txt", "two.md"]),
        (["**/three.txt", "b.txt"], ["a/deep/three.txt", "b.txt"]),
        (["a/.hidden/*"], ["four.txt"]),
        (["a/.*/*.txt"], ["four.txt"]),
        (["a/[ot]*.??"], ["two.md"]),
    ],
)
def test_files_are_sorted_and_named_relative_to_their_common_folder(
    tree: Path, patterns: list[str], expected: list[str]
):
    assert document_names(TextFiles([tree / pattern for pattern in patterns])) == expected


def test_an_existing_name_with_pattern_characters_is_literal(tmp_path: Path):
    (tmp_path / "[old]*").mkdir()
    (tmp_path / "[old]*" / "[1].txt").write_text("x")
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "1.txt").write_text("y")
    assert document_names(TextFiles([tmp_path / "[old]*" / "*.txt"])) == ["[1].txt"]
    assert document_names(TextFiles([tmp_path / "[old]*" / "[1].txt"])) == ["[1].txt"]


def test_bytes_of_a_name_that_are_not_utf8_are_escaped(tmp_path: Path):
    (tmp_path / "caf\udce9.txt").write_text("x")
    assert document_names(TextFiles([tmp_path / "*.txt"])) == ["caf\\xe9.txt"]


@pytest.mark.parametrize(
    ("pattern", "message", "hint"),
    [
        ("a/missing/x.txt", "no file matches {tree}/a/missing/x.txt", "{tree}/a."),
        ("a/nothing*.c", "no file matches {tree}/a/nothing*.c", "{tree}/a."),
        ("b.txt/x", "no file matches {tree}/b.txt/x", "{tree}."),
        ("empty/**", "no file matches {tree}/empty/**", "The folder has no files."),
        (
            "a/here.txt",
            "no file matches {tree}/a/here.txt",
            "current folder, write {tree}/here.txt.",
        ),
        ("a,b.txt", "corpus.files: no file matches", '["first.txt", "second.txt"]'),
        ("a", "corpus.files: {tree}/a is a folder", "{tree}/a/**"),
        ("pipe", "corpus.files: {tree}/pipe is a pipe or a device", "Name a regular file."),
        ("link", "corpus.files: {tree}/link is a link to a file that does not exist", "Name a regular file."),
        pytest.param(
            "a/x" + "y" * 300,
            "File name too long",
            "permissions",
            marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="there is no such file for pathlib"),
        ),
    ],
)
def test_a_pattern_without_a_match_is_reported_with_the_nearest_folder(
    tree: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, message: str, hint: str
):
    monkeypatch.chdir(tree)
    (tree / "here.txt").write_text("x")
    (tree / "empty").mkdir()
    os.mkfifo(tree / "pipe")
    (tree / "link").symlink_to("nowhere")
    with pytest.raises(DataError) as caught:
        document_names(TextFiles([tree / "b.txt", tree / pattern]))
    assert message.format(tree=tree) in caught.value.message
    assert hint.format(tree=tree) in (caught.value.hint or "")


def test_two_stars_next_to_other_characters_are_a_data_error(tree: Path):
    # Before Python 3.13, `z**` is an invalid pattern. Since then, it means `z*`, which matches no file here.
    with pytest.raises(DataError, match="z\\*\\*"):
        document_names(TextFiles([tree / "z**"]))


def test_a_corpus_of_empty_files_is_an_error(tmp_path: Path):
    (tmp_path / "x.txt").touch()
    corpus = TextFiles([tmp_path / "*"])
    with pytest.raises(DataError, match="every file is empty"):
        corpus.fingerprint()
    with pytest.raises(DataError, match="every file is empty"):
        document_names(corpus)


def test_a_file_that_disappears_is_reported(tree: Path):
    corpus = TextFiles([tree / "**/*.txt"])
    assert corpus.describe() == f"3 files under {tree}, 9 bytes"
    (tree / "b.txt").unlink()
    with pytest.raises(DataError, match=r"b\.txt: No such file"):
        document_names(corpus)
    with pytest.raises(DataError, match=r"b\.txt: No such file"):
        corpus.fingerprint()


def test_one_file_is_described_by_its_path(tree: Path):
    assert TextFiles([tree / "b.txt"]).describe() == f"{tree}/b.txt, 1 bytes"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text[0] != "\ufeff")


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be", "utf-7"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@settings(deadline=None)
@given(text=TEXT)
def test_text_is_decoded_from_every_encoding(
    encoding: str, mark: str, text: str, tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.mktemp("text") / "x.txt"
    # Python writes a byte order mark in `utf-8-sig` and `utf-16`.
    path.write_bytes((text if encoding in ("utf-8-sig", "utf-16") else mark + text).encode(encoding))
    (document,) = TextFiles([path], encoding=encoding).documents()
    assert document.content == text.encode("utf-8")


def test_line_ends_are_kept(tmp_path: Path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\r\nb\nc\rd")
    (document,) = TextFiles([path]).documents()
    assert document.content == b"a\r\nb\nc\rd"


@pytest.mark.parametrize(
    ("content", "encoding", "reason"),
    [
        (b"ab\xffcd", "utf-8", "byte 0xff at offset 2 is not utf-8 (invalid start byte)"),
        (b"\xef\xbb\xbfab\xff", "utf-8-sig", "byte 0xff at offset 5 is not utf-8-sig"),
        (b"ab\xe2\x82", "utf-8", "byte 0xe2 at offset 2 is not utf-8 (unexpected end of data)"),
        (b"a\x80", "ascii", "byte 0x80 at offset 1 is not ascii"),
        (b"a\0b", "utf-16-le", "byte 0x62 at offset 2 is not utf-16-le"),
        (b"\xff\xfea\0\0\xd8", "utf-16", "byte 0x00 at offset 4 is not utf-16"),
        (b"\\ud800", "unicode_escape", "cannot be decoded as unicode-escape"),
    ],
)
def test_bytes_that_cannot_be_decoded_are_reported_with_file_and_offset(
    tmp_path: Path, content: bytes, encoding: str, reason: str
):
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(TextFiles([path], encoding=encoding).documents())
    assert f"{path}: {reason}" in caught.value.message
    assert "corpus.encoding" in (caught.value.hint or "")


def test_a_file_that_may_be_no_text_is_recognized_by_a_zero_byte(tmp_path: Path):
    (tmp_path / "program").write_bytes(b"\x7fELF\0\xff")
    with pytest.raises(DataError) as caught:
        list(TextFiles([tmp_path / "program"]).documents())
    assert "leave it out of corpus.files" in (caught.value.hint or "")


@pytest.mark.parametrize("encoding", ["utf-9", "", "hex", "rot13", "utf-8\0"])
def test_an_unknown_encoding_is_an_error_of_the_constructor(encoding: str):
    with pytest.raises(ValueError, match=f"encoding {re.escape(repr(encoding))}: "):
        TextFiles([Path("x.txt")], encoding=encoding)


def test_the_fingerprint_depends_on_names_and_contents(tree: Path):
    def fingerprint() -> str:
        return TextFiles([tree / "**/*.txt"]).fingerprint()

    original = fingerprint()
    assert original == fingerprint()
    fingerprints = {original}
    (tree / "b.txt").write_bytes(b"B")
    fingerprints.add(fingerprint())
    (tree / "b.txt").rename(tree / "c.txt")
    fingerprints.add(fingerprint())
    (tree / "new.txt").write_bytes(b"new")
    fingerprints.add(fingerprint())
    assert len(fingerprints) == 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_long_text_is_divided_after_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr("seqforge_essentials.corpora.PART_SIZE", 1000)
    monkeypatch.setattr("seqforge.storage.decompression.CHUNK_SIZE", 77)
    text = "\ufeff" * (encoding == "utf-8") + "größer als\r\n\r\n ein Teil\n" * 500
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    parts = [*TextFiles([path], encoding).documents()]
    assert {part.name for part in parts} == {"a.txt"}
    assert "".join(part.content.decode() for part in parts) == text.removeprefix("\ufeff")
    assert all(len(part.content) > 1000 for part in parts[:-1])
    assert len(parts) > 10
    texts = [part.content.decode() for part in parts]
    assert all(text[0].isspace() for text in texts[1:])
    assert not any(text[-1].isspace() for text in texts[:-1])


def test_a_long_line_without_spaces_is_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge_essentials.corpora.PART_SIZE", 1000)
    monkeypatch.setattr("seqforge.storage.decompression.CHUNK_SIZE", 77)
    (tmp_path / "a.txt").write_text("ä" * 10_000)
    parts = [part.content.decode() for part in TextFiles([tmp_path / "a.txt"]).documents()]
    assert "".join(parts) == "ä" * 10_000
    assert all(1000 <= len(part.encode()) <= 2200 for part in parts[:-1])


def test_bytes_of_a_later_chunk_are_reported_with_their_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge.storage.decompression.CHUNK_SIZE", 77)
    (tmp_path / "a.txt").write_bytes("ä".encode() * 100 + b"\xff")
    with pytest.raises(DataError, match="byte 0xff at offset 200 is not utf-8"):
        list(TextFiles([tmp_path / "a.txt"]).documents())


def test_the_read_fraction_is_reported(tree: Path) -> None:
    events: list[Any] = []
    documents = len([*TextFiles([tree / "**/*.txt"]).read(events.append)])
    assert [event.work for event in events] == ["encoding"] * documents
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
