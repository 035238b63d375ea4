"""The names that generated C may use, and the roles in which it may use them."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import cached_property, lru_cache

from seqforge_code_structure.identifiers.lexicon import GLOBAL_LOCALITY, Flag, Lexicon, is_constant

from seqforge_c_samplers.name_lists import NAME_CHARACTERS, Alphabet, NameList, Scope

LONGEST_NAME = 40
"""Length limit of names in generated code."""

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
"""Uses of a name: as a variable, as a variable that is returned directly, and in a call."""
# The analysis of names reads some macros as loops, or as text that is not code.
_NO_FUNCTION = re.compile(
    r"\w*(?:for_?each|for_all_|_walk|for_other_threads|with_intel_|_scoped|offsetof|typeof)\w*|scoped_\w*"
    r"|__builtin_\w*|va_\w*|asm\w*|\w*OPTS"
)
STRING_PREFIX = re.compile(r"KERN_[A-Z]+")
"""Macros that a string follows."""
_NO_VARIABLE = re.compile(r"KERN_\w*|FW_(?:BUG|WARN|INFO)|HW_ERR|DEPRECATED|\w*OPTS|__[a-z]\w*")
_LOOP = re.compile(r"\w*for_each\w*")


class WordRole(IntEnum):
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
_WORDS: dict[WordRole, frozenset[str]] = {
    WordRole.GROUP: TYPES | TAGS,
    WordRole.STATEMENT: _ALWAYS,
    WordRole.ITEM: _ALWAYS | TYPES | TAGS | QUALIFIERS,
    WordRole.TYPE: TYPES | TAGS | QUALIFIERS,
    WordRole.FOR: TYPES | TAGS,
    WordRole.MEMBER: TYPES | TAGS | {"const", "volatile"},
    WordRole.WHILE: frozenset({"while"}),
    WordRole.BASIC: FURTHER_TYPES | ANNOTATIONS,
    WordRole.ANNOTATION: ANNOTATIONS,
}
USES = frozenset({WordRole.OPERAND, WordRole.RETURNED, WordRole.GROUP, WordRole.STATEMENT, WordRole.ITEM, WordRole.FOR})
"""Roles that may be names in scope."""


@lru_cache(maxsize=4096)
def _find_uses(flag: Flag, locality: int) -> int:
    """Return how a name may be used that is no constant: `_VARIABLE`, `_RETURNED` and `_CALLED`, or 0."""
    uses = _CALLED if flag & (Flag.EVALUATES | Flag.PASTES) else 0
    # The check of undefined names takes other names for local ones, by the evidence of their function.
    if flag & Flag.VARIABLE and locality <= GLOBAL_LOCALITY:
        uses |= _VARIABLE if flag & Flag.MAY_BE_LOCAL else _VARIABLE | _RETURNED
    return uses


class NameTable:
    """The names that are allowed in every function: those of a lexicon, and keywords.

    Args:
        lexicon: The lexicon.
        alphabet: Characters of the vocabulary. Names with others are left out.

    Attributes:
        variables: Variables and constants.
        unreturned: Variables that may not be returned directly.
        functions: Functions and macros with arguments.
        loops: Macros such as `list_for_each`, which a statement follows.
        prefixes: Macros that a string follows.
        types: Types that the lexicon lists as variables, too.
    """

    def __init__(self, lexicon: Lexicon, alphabet: Alphabet) -> None:
        self.alphabet = alphabet
        # The garbage collector does not visit dictionaries and tuples of text. With sets and lists, each of its full
        # collections would take a tenth of a second more.
        self.variables, self.functions = dict[str, None](), dict[str, None]()
        self.unreturned, self.loops, self.prefixes = set[str](), set[str](), set[str]()
        self.types = {name for name in TYPES if lexicon.flags(name) & Flag.VARIABLE}
        is_spelled = re.compile(f"[{''.join(map(re.escape, filter(alphabet.spells, NAME_CHARACTERS)))}]+").fullmatch
        for name, flag, locality in lexicon.rows():
            uses = _find_uses(flag, locality)
            # Half of the names are only local. Constants begin with a capital letter or an underscore.
            if (uses or name < "a") and len(name) <= LONGEST_NAME and name not in RESERVED and is_spelled(name):
                self._add(name, uses)
        self.variables.update(dict.fromkeys(name for name in VALUES if alphabet.spells(name)))
        self._words: dict[WordRole, Scope] = {}

    def _add(self, name: str, uses: int) -> None:
        if name < "a" and is_constant(name):
            if STRING_PREFIX.fullmatch(name):
                self.prefixes.add(name)
            elif not _NO_VARIABLE.fullmatch(name):
                self.variables[name] = None
            return
        if uses & _VARIABLE and not _NO_VARIABLE.fullmatch(name):
            if uses & _RETURNED:
                self.variables[name] = None
            else:
                self.unreturned.add(name)
        if uses & _CALLED:
            if _LOOP.fullmatch(name):
                self.loops.add(name)
            elif not _NO_FUNCTION.fullmatch(name):
                self.functions[name] = None

    def is_variable(self, name: str, role: WordRole) -> bool:
        """Return whether a name with a role is a variable or a constant."""
        return name in self.variables or (role != WordRole.RETURNED and name in self.unreturned)

    def next_characters(self, role: WordRole, prefix: str) -> int:
        """Return the set of characters that may follow a prefix, with the bit `complete` if it is a whole name."""
        found = self._words_of(role).next_characters(prefix)
        return found | self._common.next_characters(prefix) if role in USES else found

    def forced_characters(self, role: WordRole, prefix: str) -> str:
        """Return characters that must follow a prefix, as at the end of a long name. They need not be all."""
        if role not in USES or self._words_of(role).next_characters(prefix):
            return ""
        return self._common.forced_characters(prefix)

    def complete(self, role: WordRole, prefix: str) -> str:
        """Return the first allowed name with a prefix, in the order of the characters."""
        found = set(self._words_of(role).find(prefix))
        if role in USES and (name := self._common.complete(prefix)) is not None:
            found.add(name)
        return min(found)

    def _words_of(self, role: WordRole) -> Scope:
        """Return the words and names for a role, except those of the long list."""
        if role not in self._words:
            words = set(_WORDS.get(role, ()))
            if role in USES:
                words |= self.loops if role in (WordRole.STATEMENT, WordRole.ITEM) else self.prefixes | {"sizeof"}
                if role != WordRole.RETURNED:
                    words |= self.unreturned
            self._words[role] = Scope.empty(self.alphabet).add(words)
        return self._words[role]

    @cached_property
    def _common(self) -> NameList:
        """The long list of names that all roles in `USES` have. It is made once."""
        return NameList(self.variables | self.functions, self.alphabet)
