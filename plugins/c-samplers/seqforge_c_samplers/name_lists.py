"""Lists of names, which answer what may follow the prefix of a name.

A set of characters is an integer with one bit for each token of the vocabulary, so that sets are combined quickly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from weakref import WeakValueDictionary

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
NAME_CHARACTERS = LETTERS + "0123456789"
_NO_NAMES = 0, 0
"""An empty range."""


class Alphabet:
    """The characters of a vocabulary as bits.

    Args:
        characters: Character of each token.
    """

    def __init__(self, characters: tuple[str, ...]) -> None:
        self.characters = characters
        self._bits: dict[str, int] = {}
        for token, character in enumerate(characters):
            self._bits[character] = self._bits.get(character, 0) | 1 << token
        self._sets: dict[str, int] = {}
        self.complete = 1 << len(characters)
        """Bit that states that a prefix is a whole name."""
        self.scopes = WeakValueDictionary[frozenset[str], Scope]()
        """The scopes in use, so that equal scopes are one object and their hash is that of the object."""
        self.letters, self.name_characters = self.bits(LETTERS), self.bits(NAME_CHARACTERS)

    def bits(self, characters: str) -> int:
        """Return the set of the given characters."""
        if (known := self._sets.get(characters)) is None:
            known = 0
            for character in characters:
                known |= self._bits.get(character, 0)
            self._sets[characters] = known
        return known

    def spells(self, name: str) -> bool:
        """Return whether the vocabulary has all characters of a name."""
        return all(character in self._bits for character in name)


class NameList:
    """Names in the order of their characters."""

    def __init__(self, names: Iterable[str], alphabet: Alphabet) -> None:
        self._names, self._alphabet = tuple(sorted(names)), alphabet
        self._known: dict[str, int] = {}
        self._ranges: dict[str, tuple[int, int]] = {"": (0, len(self._names))}
        """For prefixes, the places of the first name with it and of the name after the last one."""

    def next_characters(self, prefix: str) -> int:
        """Return the set of characters that may follow a prefix, with the bit `complete` if it is a whole name."""
        if (known := self._known.get(prefix)) is None:
            known = self._known[prefix] = self._find_next(prefix)
        return known

    def forced_characters(self, prefix: str) -> str:
        """Return the characters that follow a prefix in all names with it."""
        low, high = self._find_range(prefix)
        if low == high:
            return ""
        first, last = self._names[low], self._names[high - 1]
        length = len(prefix)
        # All names have the characters that the first and the last one share.
        while length < len(first) and first[length] == last[length]:
            length += 1
        self._ranges[first[:length]] = low, high
        return first[len(prefix) : length]

    def complete(self, prefix: str) -> str | None:
        """Return the first name with a prefix, or None."""
        low, high = self._find_range(prefix)
        return self._names[low] if low < high else None

    def _find_range(self, prefix: str) -> tuple[int, int]:
        """Return the range of the names with a prefix."""
        if (known := self._ranges.get(prefix)) is None:
            # A search in all names would read many places in memory. The ranges of longer prefixes are found together.
            shorter = prefix[:-1]
            if self._find_range(shorter) != _NO_NAMES:
                self.next_characters(shorter)
            known = self._ranges.setdefault(prefix, _NO_NAMES)
        return known

    def _find_next(self, prefix: str) -> int:
        names, length, found = self._names, len(prefix), 0
        low, high = self._find_range(prefix)
        if low < high and len(names[low]) == length:
            found = self._alphabet.complete
            low += 1
        while low < high:
            start, first = names[low][: length + 1], low
            found |= self._alphabet.bits(start[-1])
            low = high if names[high - 1].startswith(start) else bisect_left(names, start + "\x7f", low, high)
            self._ranges[start] = first, low
        return found


class Scope:
    """The names that are declared at a position. It never changes; `add` returns another one.

    For an alphabet, there is one scope for each set of names.

    Attributes:
        names: The names.
    """

    __slots__ = ("__weakref__", "_alphabet", "_next", "names")

    def __init__(self, alphabet: Alphabet, names: frozenset[str], following: dict[str, int]) -> None:
        self._alphabet, self.names = alphabet, names
        self._next = following
        """For each prefix of a name, the set of characters that may follow it."""

    @staticmethod
    def empty(alphabet: Alphabet) -> Scope:
        """Return the scope without names."""
        return alphabet.scopes.setdefault(frozenset(), Scope(alphabet, frozenset(), {}))

    def add(self, names: Iterable[str]) -> Scope:
        """Return the scope with more names."""
        new = {name for name in names if name not in self.names and self._alphabet.spells(name)}
        if not new:
            return self
        alphabet, all_names = self._alphabet, self.names | new
        if (known := alphabet.scopes.get(all_names)) is not None:
            return known
        following = self._next.copy()
        for name in new:
            for length, character in enumerate(name):
                prefix = name[:length]
                following[prefix] = following.get(prefix, 0) | alphabet.bits(character)
            following[name] = following.get(name, 0) | alphabet.complete
        scope = alphabet.scopes[all_names] = Scope(alphabet, all_names, following)
        return scope

    def next_characters(self, prefix: str) -> int:
        """Return the set of characters that may follow a prefix, with the bit `complete` if it is a whole name."""
        return self._next.get(prefix, 0)

    def find(self, prefix: str) -> frozenset[str]:
        """Return the names with a prefix."""
        if prefix not in self._next:
            return frozenset()
        return frozenset(name for name in self.names if name.startswith(prefix))

    def complete(self, prefix: str) -> str | None:
        """Return the shortest name with a prefix, or None."""
        return min(self.find(prefix), key=lambda name: (len(name), name), default=None)
