"""Checksums detect every flipped bit, in all forms in which a file carries one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqforge.storage.records import LAST_LINE, checksum_file, parse_sealed_json, seal, to_sealed_json, unseal


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
