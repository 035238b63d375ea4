"""The corpus `json-lines`: texts, filters, compressed files, and errors that name file, line and key."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seqforge_essentials import archives, records
from seqforge_essentials.corpora import TextFiles
from seqforge_essentials.records import JsonLines

from seqforge.errors import DataError

RECORDS = [
    {"text": "first\n", "language": "C", "meta": {"stars": 5, "licence": "MIT"}},
    {"text": "zweiter ä", "language": "Go", "meta": {"stars": 5, "licence": None}},
    {"text": "", "language": "C", "meta": {"stars": 1, "licence": "MIT"}},
    {"text": "third", "language": "C", "meta": {"stars": 9, "licence": "MIT"}},
]
LINES = "\n".join(map(json.dumps, RECORDS)).encode() + b"\n\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "posts.jsonl").write_bytes(LINES)
    return tmp_path / "posts.jsonl"


def texts(corpus: JsonLines) -> dict[str, str]:
    return {document.name: document.content.decode() for document in corpus.documents()}


def test_each_line_is_a_document_and_empty_texts_are_skipped(path: Path) -> None:
    assert texts(JsonLines([path])) == {
        "posts.jsonl:1": "first\n",
        "posts.jsonl:2": "zweiter ä",
        "posts.jsonl:4": "third",
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"where": {"language": "C"}}, ["first\n", "third"]),
        ({"where": {"meta.stars": 5, "language": "Go"}}, ["zweiter ä"]),
        ({"field": "meta.licence", "where": {"language": "C"}}, ["MIT", "MIT", "MIT"]),
    ],
)
def test_fields_and_filters(path: Path, options: dict[str, Any], expected: list[str]) -> None:
    assert list(texts(JsonLines([path], **options)).values()) == expected


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_read(path: Path, compress: Callable[[bytes], bytes]) -> None:
    plain = list(texts(JsonLines([path])).values())
    path.write_bytes(compress(LINES))
    assert list(texts(JsonLines([path])).values()) == plain
    path.write_bytes(compress("Grüße".encode()))
    assert [document.content.decode() for document in TextFiles([path]).documents()] == ["Grüße"]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_damaged_compressed_file_is_an_error(path: Path, compress: Callable[[bytes], bytes]) -> None:
    whole = compress(LINES)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    for content in (whole[:-5], bytes(flipped)):
        path.write_bytes(content)
        for corpus in (JsonLines([path]), TextFiles([path])):
            with pytest.raises(DataError, match=r"posts\.jsonl.*(damaged|not JSON|not utf-8)"):
                list(corpus.documents())


def test_a_file_that_decompresses_to_too_much_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1 << 20)
    path.write_bytes(gzip.compress(b" " * (8 << 20)))
    with pytest.raises(DataError, match="decompresses to more than"):
        list(TextFiles([path]).documents())
    monkeypatch.setattr(records, "_LONGEST_LINE", 1 << 20)
    with pytest.raises(DataError, match="line 1: it has more than 1 MiB"):
        list(JsonLines([path]).documents())


@pytest.mark.parametrize(
    ("line", "options", "message", "hint"),
    [
        ("{", {}, "line 2: not JSON", "one JSON object"),
        ("[" * 100_000, {}, "line 2: not JSON", "one JSON object"),
        ("[1]", {}, "line 2: a list where an object is expected", "'text'"),
        ('{"texts": "a"}', {}, "line 2: there is no key 'text'", "Did you mean 'texts'"),
        ('{"body": "a"}', {}, "line 2: there is no key 'text'", "It has: body"),
        ('{"text": 3}', {}, "line 2: 'text' is", "corpus.field"),
        ('{"text": {"en": "a"}}', {"field": "text.de"}, "where an object is expected", "text.de"),
    ],
)
def test_mistakes_name_file_line_and_key(
    path: Path, line: str, options: dict[str, Any], message: str, hint: str
) -> None:
    path.write_text(f'{{"text": "a"}}\n{line}\n')
    with pytest.raises(DataError) as caught:
        list(JsonLines([path], **options).documents())
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_filter_without_a_match_is_an_error(path: Path) -> None:
    with pytest.raises(DataError, match="nothing has a text with"):
        list(JsonLines([path], where={"language": "Ada"}).documents())
