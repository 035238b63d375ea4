"""JSON from anywhere is read within bounds."""

from pathlib import Path

import pytest

from seqforge.reading import MAXIMUM_SIZE, read_json


def test_what_was_written_is_read(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text('{"a": ["ß", 1, null]}', encoding="utf-8")
    assert read_json(path) == {"a": ["ß", 1, None]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "nested too deep"),
        (b" " * MAXIMUM_SIZE + b"1", "larger than 16,777,216 bytes"),
        (b"\xff", "can't decode"),
        (b"{", "Expecting"),
    ],
    ids=["deep", "large", "no text", "cut"],
)
def test_what_is_none_is_a_value_error(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_json(path)
