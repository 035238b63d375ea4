"""A lexicon from a training text, with a part of the text held out as a control."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from seqforge.errors import DataError
from seqforge.interfaces import Document
from seqforge_code_structure.identifiers.judgement import judge, shares
from seqforge_code_structure.identifiers.lexicon import Count, Lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_unit
from seqforge_code_structure.units import split

HELD_OUT = 0.05
"""Share of the files that are held out, by a hash of their names."""

MOST_HELD_OUT = 20_000_000
"""Characters that are held out at most, since their names are kept in memory until the end."""

LONGEST_PIECE = 100_000
"""Characters from which on a file counts as several, so that a text without files has a lexicon too."""

Report = Callable[[int, int], None]
"""Is told of the files and characters done so far, now and then."""


def build_lexicon(documents: Iterable[Document], report: Report, window: int = 4_000) -> Lexicon:
    """Count names in a training text, and judge held-out parts of it by the counts.

    Args:
        documents: The training text.
        report: Is told how much is done after every file.
        window: Characters of a window of the control, about the length of the samples that it is for.

    Raises:
        DataError: Where no function was found.
    """
    counting = Counting()
    held_out: list[list[UnitNames]] = []
    held_out_size = size = files = 0
    for files, document in enumerate(documents, start=1):
        text = document.content.decode("utf-8", "replace")
        size += len(text)
        for number, piece in enumerate(pieces(text)):
            length = piece[-1].stop - piece[0].start
            if _place(f"{document.name}:{number}") < HELD_OUT and held_out_size + length < MOST_HELD_OUT:
                held_out.append(piece)
                held_out_size += length
            else:
                counting.add(piece)
        report(files, size)
    if not counting.bound:
        raise DataError(
            "the text has no function of C that declares a name, so a lexicon would be empty",
            hint="A lexicon is made from the text that the model is trained on, which must be C.",
        )
    lexicon = counting.lexicon(files)
    total: Counter[str] = Counter()
    for piece in held_out:
        for units in _windows(piece, window):
            total += judge(units, lexicon)[0]
    return Lexicon(files, lexicon.counts, shares(total))


class Counting:
    """Counts that grow, by name.

    Attributes:
        free: Pieces of text in which it is free.
        bound: In which it is bound.
        idle: In which it is declared and not used.
    """

    def __init__(self) -> None:
        self.free: Counter[str] = Counter()
        self.bound: Counter[str] = Counter()
        self.idle: Counter[str] = Counter()

    def add(self, units: Iterable[UnitNames]) -> None:
        """Count the names of a piece of text.

        Args:
            units: Its units.
        """
        free: set[str] = set()
        bound: set[str] = set()
        idle: set[str] = set()
        for unit in units:
            if not unit.parses:
                continue
            for function in unit.functions:
                free.update([use.name for use in function.free if not use.called])
                bound.update([declaration.name for declaration in function.declarations])
                idle.update([found.name for found in function.declarations if found.variable and not found.used])
            idle -= unit.mentioned
        self.free.update(free)
        self.bound.update(bound)
        self.idle.update(idle)

    def lexicon(self, files: int) -> Lexicon:
        """Make a lexicon of the counts.

        Args:
            files: How many files they are of.
        """
        names = self.free.keys() | self.bound.keys()
        return Lexicon(files, {name: Count(self.free[name], self.bound[name], self.idle[name]) for name in names})


def pieces(text: str) -> Iterator[list[UnitNames]]:
    """Read a text in pieces of whole units.

    Args:
        text: C.

    Yields:
        The units of at most `LONGEST_PIECE` characters, or one longer unit.
    """
    piece: list[UnitNames] = []
    for unit in split(text):
        if piece and unit.stop - piece[0].start > LONGEST_PIECE:
            yield piece
            piece = []
        piece.append(read_unit(text, unit.start, unit.stop))
    if piece:
        yield piece


def _windows(units: Iterable[UnitNames], length: int) -> Iterator[list[UnitNames]]:
    """Part the units of a piece into windows of about a length; a longer unit is a window of its own."""
    window: list[UnitNames] = []
    for unit in units:
        if window and unit.stop - window[0].start > length:
            yield window
            window = []
        window.append(unit)
    if window:
        yield window


def _place(name: str) -> float:
    """Put a name at a fixed place in [0, 1)."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
