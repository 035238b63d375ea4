"""The lexicon of a training text: how many files declare each name, and how many use it without declaring it.

A lexicon is built from the documents of a training text, and stored as a JSON file.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from seqforge.errors import DataError
from seqforge.files import read_bounded
from seqforge_code_structure.identifiers.reading import UnitNames, read_unit
from seqforge_code_structure.units import split_units

FREE_FRACTION = 0.1
"""A name counts as always declared if less than this fraction of the files that contain it use it undeclared."""

UNUSED_FRACTION = 0.05
"""Macros are assumed to use a variable that is unused in at least this fraction of the files that declare it."""

FEWEST_UNUSED = 2
"""Smallest number of files with the unused variable for this assumption, since a single one may be a mistake."""

LONGEST_PIECE = 100_000
"""Length limit of a piece in characters. Each piece of a longer file counts as a file."""

LARGEST_FILE = 256 << 20
"""Size limit of a lexicon file in bytes. The lexicon of 170 MB of Linux has 4 MB."""

_HOW_TO_BUILD = "Build one with: seqforge c-lexicon EXPERIMENT.toml --output FILE"
_CONSTANT = re.compile(r"[A-Z_][A-Z0-9_]*")


class Count(NamedTuple):
    """Numbers of files of the training text that contain a name.

    Attributes:
        free: Files in which a function uses the name without declaring it, other than in a call of this name.
        bound: Files in which a function declares the name.
        unused: Files in which a function declares the name as a local variable and does not use it.
    """

    free: int = 0
    bound: int = 0
    unused: int = 0


_NOVEL = Count()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The names of a training text.

    Attributes:
        files: Number of files.
        counts: Numbers of files for each name.
    """

    files: int
    counts: Mapping[str, Count]

    def must_be_declared(self, name: str) -> bool:
        """Return whether functions always declare a name, so that an undeclared use is an error."""
        free, bound, _ = self.counts.get(name, _NOVEL)
        return bound > 0 and free < FREE_FRACTION * (free + bound) and not is_constant(name)

    def may_be_local(self, name: str) -> bool:
        """Return whether a name may be a local variable: a function declares it, or the training text lacks it."""
        free, bound, _ = self.counts.get(name, _NOVEL)
        return (bound > 0 or free == 0) and not is_constant(name)

    def is_novel(self, name: str) -> bool:
        """Return whether no function of the training text uses or declares a name."""
        return name not in self.counts and not is_constant(name)

    def may_be_used_by_macros(self, name: str) -> bool:
        """Return whether macros may use a variable that is not an argument, as `REG_WR(register)` uses `bp`."""
        _, bound, unused = self.counts.get(name, _NOVEL)
        return unused >= FEWEST_UNUSED and unused >= UNUSED_FRACTION * bound


def is_constant(name: str) -> bool:
    """Return whether a name is in capital letters, as names of macros are."""
    return _CONSTANT.fullmatch(name) is not None


class LexiconBuilder:
    """Counter of the names of a training text. The attributes have the meaning of those of `Count`.

    Attributes:
        free: Number of pieces in which each name is free.
        bound: Number of pieces in which each name is bound.
        unused: Number of pieces in which each name is unused.
    """

    def __init__(self) -> None:
        self.free: Counter[str] = Counter()
        self.bound: Counter[str] = Counter()
        self.unused: Counter[str] = Counter()

    def add(self, units: Iterable[UnitNames]) -> None:
        """Count the names of the units of one piece of the text."""
        free: set[str] = set()
        bound: set[str] = set()
        unused: set[str] = set()
        for unit in units:
            if not unit.parses:
                continue
            for function in unit.functions:
                free.update([use.name for use in function.free if not use.called])
                bound.update([declaration.name for declaration in function.declarations])
                unused.update([found.name for found in function.declarations if found.variable and not found.used])
            unused -= unit.mentioned
        self.free.update(free)
        self.bound.update(bound)
        self.unused.update(unused)

    def build(self, files: int) -> Lexicon:
        """Return the lexicon. `files` is the number of files that were read."""
        names = self.free.keys() | self.bound.keys()
        return Lexicon(files, {name: Count(self.free[name], self.bound[name], self.unused[name]) for name in names})


def build_lexicon(documents: Iterable[str]) -> Lexicon:
    """Count the names of a training text. The lexicon of a text without C functions is empty."""
    builder = LexiconBuilder()
    files = 0
    for text in documents:
        files += 1
        for piece in read_pieces(text):
            builder.add(piece)
    return builder.build(files)


def read_pieces(text: str) -> Iterator[list[UnitNames]]:
    """Yield the units of a text in pieces of at most `LONGEST_PIECE` characters, or of one longer unit."""
    piece: list[UnitNames] = []
    for unit in split_units(text):
        if piece and unit.stop - piece[0].start > LONGEST_PIECE:
            yield piece
            piece = []
        piece.append(read_unit(text, unit.start, unit.stop))
    if piece:
        yield piece


_Counts = list[Annotated[int, Field(ge=0)]]


class _Columns(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    seqforge_c_lexicon: Literal[1]
    files: Annotated[int, Field(ge=0)]
    names: str
    free: _Counts
    bound: _Counts
    unused: dict[str, int]


def encode_lexicon(lexicon: Lexicon) -> bytes:
    """Return the content of a lexicon file."""
    names = sorted(lexicon.counts)
    counts = [lexicon.counts[name] for name in names]
    columns = _Columns(
        seqforge_c_lexicon=1,
        files=lexicon.files,
        names=" ".join(names),
        free=[count.free for count in counts],
        bound=[count.bound for count in counts],
        unused={name: count.unused for name, count in zip(names, counts, strict=True) if count.unused},
    )
    return columns.model_dump_json().encode()


def decode_lexicon(content: bytes) -> Lexicon:
    """Parse the content of a lexicon file.

    Raises:
        ValueError: If it is not a lexicon of this version.
    """
    columns = _Columns.model_validate_json(content)
    rows = zip(columns.names.split(), columns.free, columns.bound, strict=True)
    counts = {name: Count(free, bound, columns.unused.get(name, 0)) for name, free, bound in rows}
    return Lexicon(columns.files, counts)


def read_lexicon(path: Path) -> Lexicon:
    """Read a lexicon file.

    Raises:
        DataError: If it is missing, too large, or not a lexicon of this version.
    """
    try:
        content = read_bounded(path, LARGEST_FILE, follow_symlinks=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: the lexicon cannot be read: {reason}", hint=_HOW_TO_BUILD) from error
    try:
        return decode_lexicon(content)
    except ValueError as error:
        raise DataError(f"{path}: not a lexicon of C in the format of this version", hint=_HOW_TO_BUILD) from error
