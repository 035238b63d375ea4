"""Checksums (XXH3), which detect damage: of a file, or at the end of the content that they protect.

They do not protect against a person who changes a file on purpose, because that person can also change the checksum.
A file that ends with its own checksum is replaced in one atomic write. With the checksum in another file, a process
could be killed between the two writes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import xxhash

from seqforge.files import open_regular, parse_json


class Seal(NamedTuple):
    """Format in which a checksum is appended to a content.

    Attributes:
        before: Text between the content and the checksum.
        after: Text after the checksum.
        moved: Text at the end of the content that is removed before the checksum is appended, such as the closing brace
            of a JSON object, which `after` then contains.
    """

    before: bytes
    after: bytes
    moved: bytes


JSON_KEY = Seal(b', "checksum": "', b'"}', b"}")
"""The last key of a JSON object on one line."""

LAST_LINE = Seal(b"# checksum: ", b"\n", b"")
"""The last line of a file, which is a comment in TOML."""


def seal(content: bytes, form: Seal = LAST_LINE) -> bytes:
    """Return a content with its checksum at its end."""
    return content.removesuffix(form.moved) + form.before + xxhash.xxh3_64_hexdigest(content).encode() + form.after


def unseal(content: bytes, form: Seal = LAST_LINE) -> bytes:
    """Return a content without its checksum.

    Raises:
        ValueError: If the content does not match its checksum, or has none.
    """
    start, found, end = content.rpartition(form.before)
    whole = start + form.moved
    if not found:
        raise ValueError("it does not end with a checksum")
    if end != xxhash.xxh3_64_hexdigest(whole).encode() + form.after:
        raise ValueError("its content does not match its checksum")
    return whole


def to_sealed_json(values: Mapping[str, Any]) -> bytes:
    """Return a JSON object on one line, whose last key is the checksum of the rest.

    Args:
        values: The other keys; at least one.
    """
    return seal(json.dumps(values).encode(), JSON_KEY)


def parse_sealed_json(content: bytes) -> dict[str, Any]:
    """Return the values of a JSON object without its checksum.

    Raises:
        ValueError: If the object does not match its checksum, has none, or is not valid; see `parse_json`.
    """
    values = parse_json(unseal(content, JSON_KEY))
    if not isinstance(values, dict):
        raise ValueError("it is not an object")
    return cast("dict[str, Any]", values)


def checksum_file(path: Path, *, root: Path | None = None) -> str:
    """Return the checksum of a regular file, as 32 hexadecimal digits, at several gigabytes per second.

    Args:
        path: The file.
        root: Folder that the user named and that contains the file. No folder between them may be a link.

    Raises:
        OSError: If the file cannot be read, or is a link, a pipe or a device.
    """
    checksum = xxhash.xxh3_128()
    with open_regular(path, root=root) as file:
        while piece := file.read(1 << 20):
            checksum.update(piece)
    return checksum.hexdigest()
