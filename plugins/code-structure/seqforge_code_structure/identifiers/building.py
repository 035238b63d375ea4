"""A lexicon from a training text."""

from collections import Counter
from collections.abc import Iterable, Iterator

from seqforge_code_structure.identifiers.lexicon import Count, Lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_unit
from seqforge_code_structure.units import split

LONGEST_PIECE = 100_000
"""Characters from which on a file counts as several, so that a text without files has a lexicon too."""


def build_lexicon(documents: Iterable[str]) -> Lexicon:
    """Count names in a training text; without functions of C in it, the lexicon has none.

    Args:
        documents: The training text, a file at a time.
    """
    counting = Counting()
    files = 0
    for text in documents:
        files += 1
        for piece in pieces(text):
            counting.add(piece)
    return counting.lexicon(files)


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
