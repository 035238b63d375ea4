"""Reading JSON that may come from anywhere: bounded in its size and in how deep it nests."""

import json
from pathlib import Path
from typing import Any

MAXIMUM_SIZE = 16 * 1024 * 1024
"""Bytes; no honest file of a run comes near it."""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: The file.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is too large, not UTF-8, no JSON, or nests too deep.
    """
    with path.open("rb") as file:
        content = file.read(MAXIMUM_SIZE + 1)
    if len(content) > MAXIMUM_SIZE:
        raise ValueError(f"larger than {MAXIMUM_SIZE:,} bytes")
    try:
        return json.loads(content.decode())
    except RecursionError:
        raise ValueError("nested too deep") from None
