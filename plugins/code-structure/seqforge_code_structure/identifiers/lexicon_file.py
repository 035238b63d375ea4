"""A lexicon as a file: JSON, in columns."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from seqforge.errors import DataError
from seqforge_code_structure.identifiers.lexicon import Count, Lexicon

LARGEST_FILE = 256 << 20
"""Bytes of a file that is read; a lexicon of 170 MB of Linux has 4 MB."""

_HOW_TO_MAKE = "Make one by: seqforge c-lexicon EXPERIMENT.toml --output FILE"

_Counts = list[Annotated[int, Field(ge=0)]]


class _Columns(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    seqforge_c_lexicon: Literal[1]
    files: Annotated[int, Field(ge=0)]
    names: str
    free: _Counts
    bound: _Counts
    idle: dict[str, int]


def encode_lexicon(lexicon: Lexicon) -> bytes:
    """Write a lexicon as the content of a file.

    Args:
        lexicon: The lexicon.
    """
    names = sorted(lexicon.counts)
    counts = [lexicon.counts[name] for name in names]
    columns = _Columns(
        seqforge_c_lexicon=1,
        files=lexicon.files,
        names=" ".join(names),
        free=[count.free for count in counts],
        bound=[count.bound for count in counts],
        idle={name: count.idle for name, count in zip(names, counts, strict=True) if count.idle},
    )
    return columns.model_dump_json().encode()


def read_lexicon(path: Path) -> Lexicon:
    """Read a lexicon.

    Args:
        path: The file.

    Raises:
        DataError: Where it is missing, too large, or no lexicon of this version.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(f"the lexicon {path} cannot be read: {error.strerror}", hint=_HOW_TO_MAKE) from error
    if len(content) > LARGEST_FILE:
        raise DataError(f"the lexicon {path} has more than {LARGEST_FILE:,} bytes, which is the limit")
    try:
        return decode_lexicon(content)
    except ValueError as error:
        raise DataError(f"{path} is no lexicon of C that this version can read", hint=_HOW_TO_MAKE) from error


def decode_lexicon(content: bytes) -> Lexicon:
    """Read the content of a file.

    Args:
        content: As `encode_lexicon` gave it.

    Raises:
        ValueError: Where it is no lexicon of this version.
    """
    columns = _Columns.model_validate_json(content)
    rows = zip(columns.names.split(), columns.free, columns.bound, strict=True)
    counts = {name: Count(free, bound, columns.idle.get(name, 0)) for name, free, bound in rows}
    return Lexicon(columns.files, counts)
