"""The names that generated C may use: a set of characters that may follow each prefix of an allowed name.

A set of characters is an integer with one bit for each token of the vocabulary, so that sets are combined quickly.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from enum import IntEnum
from functools import cached_property, lru_cache
from weakref import WeakValueDictionary

from seqforge_code_structure.identifiers.lexicon import GLOBAL_LOCALITY, Flag, Lexicon, is_constant

_NO_NAMES = 0, 0
"""An empty range."""
LONGEST_NAME = 40
"""Length limit of names in generated code."""

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
NAME_CHARACTERS = LETTERS + "0123456789"

QUALIFIERS = frozenset({"static", "const", "volatile", "register"})
TAGS = frozenset({"struct", "union", "enum"})
BASIC_TYPES = frozenset(["void", "char", "short", "int", "long", "float", "double", "signed", "unsigned", "bool"])
SIZES = frozenset({"signed", "unsigned", "long", "short"})
"""Types that further words may follow."""
FURTHER_TYPES = SIZES | {"int", "char"}
_OTHER_TYPES = """
    s8 u8 s16 u16 s32 u32 s64 u64 __s8 __u8 __s16 __u16 __s32 __u32 __s64 __u64 uint ulong ushort
    __le16 __be16 __le32 __be32 __le64 __be64 __sum16 __wsum
    size_t ssize_t loff_t off_t pid_t uid_t gid_t kuid_t kgid_t dev_t mode_t umode_t sector_t blkcnt_t gfp_t fmode_t
    dma_addr_t phys_addr_t resource_size_t spinlock_t raw_spinlock_t rwlock_t seqlock_t atomic_t atomic64_t
    atomic_long_t refcount_t ktime_t time64_t cpumask_t cpumask_var_t nodemask_t pgd_t p4d_t pud_t pmd_t pte_t pgprot_t
    pgoff_t pgtable_t swp_entry_t vm_fault_t wait_queue_head_t wait_queue_entry_t irqreturn_t irq_hw_number_t
    blk_status_t blk_opf_t netdev_tx_t netdev_features_t sigset_t siginfo_t clockid_t cycles_t efi_status_t guid_t
    uuid_t uintptr_t int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t va_list acpi_status acpi_handle
"""
TYPES = BASIC_TYPES | frozenset(_OTHER_TYPES.split())
ANNOTATIONS = frozenset({"const", "volatile", "__iomem", "__user", "__percpu", "__rcu", "__maybe_unused"})
"""Words after a type."""
STATEMENTS = frozenset(["if", "while", "for", "do", "switch", "return", "break", "continue", "goto", "case", "default"])
RESERVED = (
    QUALIFIERS
    | TAGS
    | TYPES
    | STATEMENTS
    | ANNOTATIONS
    | frozenset(["else", "sizeof", "extern", "typedef", "inline", "auto", "restrict", "asm", "typeof", "offsetof"])
)
"""Words that are not names of variables, labels or members in generated code."""

VALUES = ("NULL", "true", "false", "__func__", "__FUNCTION__")
"""Names that are values, to which nothing can be assigned."""
_VARIABLE, _RETURNED, _CALLED = 1, 2, 4
# The analysis of names reads some macros as loops, or as text that is not code.
_NO_FUNCTION = re.compile(
    r"\w*(?:for_?each|for_all_|_walk|for_other_threads|with_intel_|_scoped|offsetof|typeof)\w*|scoped_\w*"
    r"|__builtin_\w*|va_\w*|asm\w*|\w*OPTS"
)
STRING_PREFIX = re.compile(r"KERN_[A-Z]+")
"""Macros that a string follows."""
_NO_VARIABLE = re.compile(r"KERN_\w*|FW_(?:BUG|WARN|INFO)|HW_ERR|DEPRECATED|\w*OPTS|__[a-z]\w*")
_LOOP = re.compile(r"\w*for_each\w*")


class Role(IntEnum):
    """The kinds of words that may be at a position."""

    OPERAND = 0
    """A variable or function."""
    RETURNED = 1
    """The same directly after `return`."""
    GROUP = 2
    """A variable, function or type after an opening bracket."""
    STATEMENT = 3
    """The first word of a statement that may not be a declaration."""
    ITEM = 4
    """The first word of a statement or declaration."""
    TYPE = 5
    """A type after a qualifier."""
    FOR = 6
    """The first word in the brackets of `for`."""
    WHILE = 7
    """The `while` of a `do` statement."""
    BASIC = 8
    """A further word of a type such as `unsigned long`."""
    ANNOTATION = 9
    """A word after a type."""
    FREE = 10
    """Any word that is not reserved."""
    LABEL = 11
    """The name of a label."""
    NEW = 12
    """The name of a variable that is declared."""
    NEW_OR_BASIC = 13
    """The same, or a further word of its type."""
    MEMBER = 14
    """The first word of a member of a type."""


_ALWAYS = STATEMENTS - {"break", "continue", "case", "default"}
_WORDS: dict[Role, frozenset[str]] = {
    Role.GROUP: TYPES | TAGS,
    Role.STATEMENT: _ALWAYS,
    Role.ITEM: _ALWAYS | TYPES | TAGS | QUALIFIERS,
    Role.TYPE: TYPES | TAGS | QUALIFIERS,
    Role.FOR: TYPES | TAGS,
    Role.MEMBER: TYPES | TAGS | {"const", "volatile"},
    Role.WHILE: frozenset({"while"}),
    Role.BASIC: FURTHER_TYPES | ANNOTATIONS,
    Role.ANNOTATION: ANNOTATIONS,
}
USES = frozenset({Role.OPERAND, Role.RETURNED, Role.GROUP, Role.STATEMENT, Role.ITEM, Role.FOR})
"""Roles that may be names in scope."""


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


@lru_cache(maxsize=4096)
def _find_uses(flag: Flag, locality: int) -> int:
    """Return how a name may be used that is no constant: `_VARIABLE`, `_RETURNED` and `_CALLED`, or 0."""
    uses = _CALLED if flag & (Flag.EVALUATES | Flag.PASTES) else 0
    # The judge finds some other names to be local, by the evidence of their function.
    if flag & Flag.VARIABLE and locality <= GLOBAL_LOCALITY:
        uses |= _VARIABLE if flag & Flag.MAY_BE_LOCAL else _VARIABLE | _RETURNED
    return uses


class NameTable:
    """The names that are allowed in every function: those of a lexicon, and keywords."""

    def __init__(self, lexicon: Lexicon, alphabet: Alphabet) -> None:
        self.alphabet = alphabet
        # The garbage collector does not visit dictionaries and tuples of text. With sets and lists, each of its full
        # collections would take a tenth of a second more.
        self.variables, self.returned, self.functions = dict[str, None](), dict[str, None](), dict[str, None]()
        self.loops, self.prefixes = set[str](), set[str]()
        self.types = {name for name in TYPES if lexicon.flags(name) & Flag.VARIABLE}
        is_spelled = re.compile(f"[{''.join(map(re.escape, filter(alphabet.spells, NAME_CHARACTERS)))}]+").fullmatch
        for name, flag, locality in lexicon.rows():
            uses = _find_uses(flag, locality)
            # Half of the names are only local. Constants begin with a capital letter or an underscore.
            if (uses or name < "a") and len(name) <= LONGEST_NAME and name not in RESERVED and is_spelled(name):
                self._add(name, uses)
        values = dict.fromkeys(name for name in VALUES if alphabet.spells(name))
        self.variables.update(values)
        self.returned.update(values)
        self._words: dict[Role, Scope] = {}

    def _add(self, name: str, uses: int) -> None:
        if name < "a" and is_constant(name):
            if STRING_PREFIX.fullmatch(name):
                self.prefixes.add(name)
            elif not _NO_VARIABLE.fullmatch(name):
                self.variables[name] = self.returned[name] = None
            return
        if uses & _VARIABLE and not _NO_VARIABLE.fullmatch(name):
            self.variables[name] = None
            if uses & _RETURNED:
                self.returned[name] = None
        if uses & _CALLED:
            if _LOOP.fullmatch(name):
                self.loops.add(name)
            elif not _NO_FUNCTION.fullmatch(name):
                self.functions[name] = None

    def next_characters(self, role: Role, prefix: str) -> int:
        """Return the set of characters that may follow a prefix, with the bit `complete` if it is a whole name."""
        found = self._words_of(role).next_characters(prefix)
        return found | self._common.next_characters(prefix) if role in USES else found

    def forced_characters(self, role: Role, prefix: str) -> str:
        """Return characters that must follow a prefix, as at the end of a long name. They need not be all."""
        if role not in USES or self._words_of(role).next_characters(prefix):
            return ""
        return self._common.forced_characters(prefix)

    def complete(self, role: Role, prefix: str) -> str:
        """Return the first allowed name with a prefix, in the order of the characters."""
        found = set(self._words_of(role).find(prefix))
        if role in USES and (name := self._common.complete(prefix)) is not None:
            found.add(name)
        return min(found)

    def _words_of(self, role: Role) -> Scope:
        """Return the words and names for a role, except those of the long list."""
        if role not in self._words:
            words = set(_WORDS.get(role, ()))
            if role in USES:
                words |= self.loops if role in (Role.STATEMENT, Role.ITEM) else self.prefixes | {"sizeof"}
                if role != Role.RETURNED:
                    words |= self.variables.keys() - self.returned.keys()
            self._words[role] = Scope.empty(self.alphabet).add(words)
        return self._words[role]

    @cached_property
    def _common(self) -> NameList:
        """The long list of names that all roles in `USES` have. It is made once."""
        return NameList(self.returned | self.functions, self.alphabet)


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


@lru_cache(maxsize=4)
def build_name_table(lexicon: Lexicon, alphabet: Alphabet) -> NameTable:
    """Return the table of a lexicon for an alphabet."""
    return NameTable(lexicon, alphabet)
