"""The lexicon of a training text: which of its names functions must declare, and what its macros do with arguments.

A lexicon is built from the files of a training text. In a *whole* text, names count by the files that use them without
declaring them at all. In an excerpt of a file, the declaration of a global name may be missing, so the uses of such
names in files that declare them count too.

The *locality* of a name is the logarithm of the ratio of the files in which functions declare it to those in which they
do not. A lexicon also contains the localities of words: how much more often names that begin or end with a word are
those of local variables. These are evidence about names that the training text does not contain.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from enum import IntFlag
from functools import cached_property

_CONSTANT = re.compile(r"[A-Z_][A-Z0-9_]*")
_DIGITS = b"0123456789abcdefghijklmnopqrstuv"
LARGEST_LOCALITY = 15
"""Largest absolute value of a locality. A digit contains the locality plus this value."""
GLOBAL_LOCALITY = -5
"""Locality up to which a name is global whatever the evidence: one file uses it undeclared, and none declares it."""


class Flag(IntFlag):
    """Properties of a name in a lexicon."""

    LOCAL = 1
    """Functions always declare the name, if it is not an argument of a macro, and the text is whole."""
    LOCAL_IN_EXCERPT = 2
    """The same in an excerpt."""
    LOCAL_ARGUMENT = 4
    """Functions always declare the name, even as the argument of a call, if the text is whole."""
    LOCAL_ARGUMENT_IN_EXCERPT = 8
    """The same in an excerpt."""
    MAY_BE_LOCAL = 16
    """A function declares the name."""
    MOSTLY_LOCAL = 32
    """At least as many files declare the name in a function as use it without a declaration."""
    USED_BY_MACROS = 64
    """Macros may use a variable of this name that is not their argument."""
    VARIABLE = 128
    """A function declares the name, or uses it other than in a call."""
    PASTES = 256
    """A macro of this name pastes arguments, or takes names of members."""
    EVALUATES = 512
    """A function or macro of this name only takes arguments that are expressions."""


class Lexicon:
    """The names of a training text.

    Attributes:
        files: Number of files of the training text.
        table: A line for each name or word in the order of its bytes. It contains the name, a space, the flags in two
            digits and the locality in one. A hyphen replaces the rest of the names that begin or end with a word.
    """

    def __init__(self, files: int, table: bytes) -> None:
        self.files = files
        self.table = table
        self._known: dict[str, tuple[Flag, int]] = {}

    @classmethod
    def from_flags(
        cls, files: int, flags: Mapping[str, Flag], localities: Mapping[str, int] | None = None
    ) -> "Lexicon":
        """Build the table from the flags of each name, and the localities of names and words that are not 0.

        Args:
            files: Number of files of the training text.
            flags: Flags of each name.
            localities: Localities of names, of first words such as `dev-`, and of last words such as `-size`.
        """
        localities = localities or {}
        rows = sorted(
            (name.encode(), flags.get(name, Flag(0)), localities.get(name, 0) + LARGEST_LOCALITY)
            for name in flags.keys() | localities.keys()
        )
        table = b"".join(
            b"%b %c%c%c\n" % (name, _DIGITS[flag >> 5], _DIGITS[flag & 31], _DIGITS[locality])
            for name, flag, locality in rows
        )
        return cls(files, table)

    @property
    def names(self) -> int:
        """Number of names in the table, without words."""
        return self.table.count(b"\n") - self.table.count(b"-")

    def flags(self, name: str) -> Flag:
        """Return the flags of a name, or 0 if the training text does not contain it."""
        return self._look_up(name)[0]

    def locality(self, name: str) -> int:
        """Return the locality of a name or word, or 0 if it is not in the table."""
        return self._look_up(name)[1]

    def word_localities(self, name: str) -> tuple[int, int]:
        """Return the localities of the first and the last word of a name, or 0 for a name of one word."""
        if "_" not in name.strip("_"):
            return 0, 0
        first, last = word_keys(name)
        return self.locality(first), self.locality(last)

    def _look_up(self, name: str) -> tuple[Flag, int]:
        if (known := self._known.get(name)) is None:
            known = self._known[name] = self._search(name.encode("utf-8", "replace") + b" ")
        return known

    def _search(self, key: bytes) -> tuple[Flag, int]:
        """Search a line of the table, which is in order."""
        place = bisect_left(self._lines, key)
        line = self._lines[place] if place < len(self._lines) else b""
        if not line.startswith(key):
            return Flag(0), 0
        flags, locality = divmod(int(line[len(key) :], 32), 32)
        return Flag(flags), locality - LARGEST_LOCALITY

    @cached_property
    def _lines(self) -> list[bytes]:
        return self.table.splitlines()

    def has(self, name: str, flag: Flag) -> bool:
        """Return whether a name has a property."""
        return bool(self.flags(name) & flag)

    def must_be_declared(self, name: str, *, argument: bool, whole: bool) -> bool:
        """Return whether an undeclared use of a name is an error: functions of the training text always declare it.

        Args:
            name: The name.
            argument: Whether it is an argument of a call, which may be a macro.
            whole: Whether the text is whole.
        """
        if argument:
            flag = Flag.LOCAL_ARGUMENT if whole else Flag.LOCAL_ARGUMENT_IN_EXCERPT
        else:
            flag = Flag.LOCAL if whole else Flag.LOCAL_IN_EXCERPT
        return self.has(name, flag)

    def is_mostly_local(self, name: str) -> bool:
        """Return whether most files with a name declare it in a function, or the training text lacks it."""
        return self.has(name, Flag.MOSTLY_LOCAL) or not self.has(name, Flag.VARIABLE)


def word_keys(name: str) -> tuple[str, str]:
    """Return the names under which a lexicon contains the first and the last word of a name."""
    stem = name.strip("_")
    return f"{stem.partition('_')[0]}-", f"-{stem.rpartition('_')[2]}"


def is_constant(name: str) -> bool:
    """Return whether a name is in capital letters, as names of macros are."""
    return _CONSTANT.fullmatch(name) is not None


_LINE = re.compile(rb"(?:[^\n ]++ [0-9a-v]{3}\n)*+")


def is_table(table: bytes) -> bool:
    """Return whether all lines of a table have the form that `Lexicon` describes."""
    return _LINE.fullmatch(table) is not None
