"""Checksums detect every flipped bit, in all forms in which a file carries one, and reading a record is bounded."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from seqforge.storage.files import checksum_file
from seqforge.storage.records import (
    JSON_KEY,
    LAST_LINE,
    DamagedFileError,
    Record,
    parse_sealed_json,
    seal,
    to_sealed_json,
    unseal,
)


def flip(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@given(content=st.binary(min_size=1, max_size=300), data=st.data())
def test_a_flipped_bit_changes_the_checksum_of_a_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("checksum") / "file"
    path.write_bytes(content)
    before = checksum_file(path)
    path.write_bytes(flip(content, data.draw(st.integers(0, 8 * len(content) - 1))))
    assert checksum_file(path) != before


def test_the_checksum_of_an_object_covers_every_bit() -> None:
    values = {"a": [1, 2.5, None, "é"], "checksum": "x"}
    content = to_sealed_json(values)
    assert parse_sealed_json(content) == values
    assert json.loads(content)["a"] == values["a"]
    for bit in range(8 * len(content)):
        with pytest.raises(ValueError, match=r"checksum"):
            parse_sealed_json(flip(content, bit))


@pytest.mark.parametrize("content", [b"a = 1\n\n[b]\nc = 'text'\n", b"", b"\x00# checksum: \xff"])
def test_the_last_line_covers_every_bit(content: bytes) -> None:
    sealed = seal(content)
    assert sealed == content + LAST_LINE.before + sealed[-17:]
    assert unseal(sealed) == content
    for bit in range(8 * len(sealed)):
        with pytest.raises(ValueError, match="checksum"):
            unseal(flip(sealed, bit))


class Note(Record):
    VERSION = 7
    MAXIMUM_SIZE = 500
    MAXIMUM_ENTRIES = 20

    text: str
    numbers: list[float] | None = None


@given(st.text(max_size=20), st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_a_record_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, text: str, numbers: list[float]
) -> None:
    path = tmp_path_factory.mktemp("record") / "note.json"
    note = Note(text=text, numbers=numbers)
    note.write(path)
    assert Note.read(path) == note


@example(-(2**63))
@example(2**63 - 1)
@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_was_written_is_read(number: float) -> None:
    assert parse_sealed_json(to_sealed_json({"a": number})) == {"a": number}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"version": 7, "text": "a"}', ""),
        (b'{"version": 8, "text": "a", "more": 1}', "format version 8; this program reads version 7"),
        (b'{"text": "a"}', "format version None; this program reads version 7"),
        (b'{"version": 7}', "damaged: text: Field required"),
        (b'{"version": 7, "text": 1}', "damaged: text: Input should be a valid string"),
        (b'{"version": 7, "text": "a", "more": 1}', "damaged: more: Extra inputs are not permitted"),
        (b"{" + b"[" * 10 + b"}", "damaged: Expecting property name"),
        (b"\xff}", "damaged: 'utf-8' codec can't decode"),
        (b'{"a": "' + b"a" * 500 + b'"}', "it is larger than 500 bytes"),
        (b'{"version": 7, "numbers": [%s]}' % b",".join([b"1"] * 20), "damaged: it has more than 20 entries"),
        (b'{"version": 7, "text": "a", "numbers": [1e999]}', "damaged: the number 1e999 is too large"),
        (b'{"version": 7, "text": "a", "numbers": [NaN]}', "damaged: the number NaN is too large or not a number"),
        (b'{"version": 7, "text": "a", "numbers": [-Infinity]}', "damaged: the number -Infinity is"),
        (b'{"version": 7, "numbers": [9223372036854775808]}', "damaged: the number 9223372036854775808 is"),
        (b'{"version": 7, "numbers": [-9223372036854775809]}', "damaged: the number -9223372036854775809 is"),
        (b'{"version": 1%s}' % (b"0" * 400), "damaged: the number 10000000000000000000… is too large"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "note.json"
    path.write_bytes(seal(content, JSON_KEY))
    if not reason:
        assert Note.read(path) == Note(text="a")
        return
    with pytest.raises(DamagedFileError) as caught:
        Note.read(path)
    assert caught.value.message.startswith(f"{path}: {reason}")


def test_a_record_has_no_infinite_numbers() -> None:
    with pytest.raises(ValidationError, match="finite number"):
        Note(text="a", numbers=[math.inf])


def test_an_object_may_have_the_maximum_of_entries() -> None:
    assert parse_sealed_json(to_sealed_json({"a": [1, 2]}), maximum_entries=3) == {"a": [1, 2]}


def test_deep_values_and_other_than_objects_are_errors() -> None:
    for content, message in (
        (b'{"a": ' + b"[" * 100_000 + b"}", "nested too deeply"),
        (b"[]}", "Extra data|not an object"),
    ):
        with pytest.raises(ValueError, match=message):
            parse_sealed_json(seal(content, JSON_KEY))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "the file is missing"),
        (os.mkfifo, "it is a pipe, not a regular file"),
        (Path.mkdir, "it is a folder, not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a symbolic link, not a regular file"),
        (lambda path: path.write_bytes(b"{}"), "damaged: it does not end with a checksum"),
    ],
)
def test_what_is_no_record_is_named(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    make(tmp_path / "note.json")
    with pytest.raises(DamagedFileError) as caught:
        Note.read(tmp_path / "note.json")
    assert caught.value.message == f"{tmp_path / 'note.json'}: {reason}"
