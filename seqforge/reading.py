"""Reading files that may come from anywhere: bounded in their size, and in how deep they nest."""

import json
from pathlib import Path
from typing import Any

MAXIMUM_SIZE = 16 * 1024 * 1024
"""Bytes; no honest file of a run comes near it."""


def read_bounded(path: Path, maximum_size: int = MAXIMUM_SIZE) -> bytes:
    """Read a file whole.

    Args:
        path: The file.
        maximum_size: Bytes that it may have.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is too large.
    """
    with path.open("rb") as file:
        content = file.read(maximum_size + 1)
    if len(content) > maximum_size:
        raise ValueError(f"it is larger than {maximum_size:,} bytes")
    return content


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: The file.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is too large, not UTF-8, no JSON, or nests too deep.
    """
    content = read_bounded(path).decode()
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None
