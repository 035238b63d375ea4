"""Checksums inside a file, which detect damage: the last key of a JSON object, or the last line of a TOML file.

A file that carries its own checksum is replaced in one atomic write. With the checksum in another file, a process
could be killed between the two writes.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

import xxhash

from seqforge.files import parse_json

_OBJECT = re.compile(rb'(\{.+), "checksum": "([0-9a-f]{16})"\}', re.DOTALL)
_LAST_LINE = re.compile(rb"(.*\n)# checksum: (.*)", re.DOTALL)
_MISMATCH = "its content does not match its checksum"


def to_sealed_json(values: Mapping[str, Any]) -> bytes:
    """Return a JSON object on one line, whose last key `checksum` is the XXH3 checksum of the rest.

    Args:
        values: The other keys; at least one.
    """
    content = json.dumps(values).encode()
    return content[:-1] + f', "checksum": "{xxhash.xxh3_64_hexdigest(content)}"}}'.encode()


def parse_sealed_json(content: bytes) -> dict[str, Any]:
    """Return the values of a JSON object without its checksum.

    Raises:
        ValueError: If the object does not match its checksum, has none, or is not valid; see `parse_json`.
    """
    match = _OBJECT.fullmatch(content)
    if match is None:
        raise ValueError("it does not end with a checksum")
    content = match[1] + b"}"
    if xxhash.xxh3_64_hexdigest(content) != match[2].decode():
        raise ValueError(_MISMATCH)
    return cast("dict[str, Any]", parse_json(content))


def seal_toml(text: str) -> bytes:
    """Return a TOML file whose last line is a comment with the XXH3 checksum of the lines above."""
    content = text.rstrip("\n").encode() + b"\n"
    return content + f"# checksum: {xxhash.xxh3_64_hexdigest(content)}\n".encode()


def verify_toml(content: bytes) -> None:
    """Check the last line of a TOML file. A file without a checksum was edited by its owner, and passes.

    Raises:
        ValueError: If the file does not match its checksum.
    """
    match = _LAST_LINE.fullmatch(content)
    if match is not None and match[2].strip() != xxhash.xxh3_64_hexdigest(match[1]).encode():
        raise ValueError(_MISMATCH)
