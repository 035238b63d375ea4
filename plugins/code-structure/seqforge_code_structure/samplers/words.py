"""Words in the grammar of the sampler `scoped`: which may be at a position, and where they lead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from seqforge_code_structure.samplers.declarations import declare_enumerator
from seqforge_code_structure.samplers.expressions import finish_member, finish_operand_word, operand_role
from seqforge_code_structure.samplers.name_lists import Alphabet
from seqforge_code_structure.samplers.names import (
    ANNOTATIONS,
    FURTHER_TYPES,
    LONGEST_NAME,
    RESERVED,
    SIZES,
    USES,
    NameTable,
    Role,
)
from seqforge_code_structure.samplers.row import Kind, Phase, Row
from seqforge_code_structure.samplers.statements import (
    add_type,
    begins_item,
    conditional_words,
    declare,
    finish_first_word,
    finish_goto,
    finish_label,
    may_declare,
    settle,
    statement_phase,
    statement_role,
)

_LISTED = frozenset({Role.WHILE, Role.TYPE, Role.BASIC, Role.ANNOTATION, Role.MEMBER})
"""Roles with a list of words."""
_NO_WORDS: frozenset[str] = frozenset()
FIRST = (Role.STATEMENT, Role.ITEM, Role.WHILE)
"""Roles of the first word of a statement."""
_ROLES = {
    Phase.MEMBER: Role.FREE,
    Phase.NAMED: Role.FREE,
    Phase.WHILE: Role.WHILE,
    Phase.GOTO: Role.FREE,
    Phase.TYPE: Role.TYPE,
    Phase.TAG: Role.FREE,
    Phase.TAGGED: Role.NEW,
    Phase.ENUMERATOR: Role.FREE,
}


def role_of_word(row: Row, column_zero: bool) -> Role | None:
    """Return the role of a word that may follow, or None."""
    phase = row.phase
    if column_zero:
        settled = settle(row) if phase == Phase.STATEMENT else row
        return Role.LABEL if begins_item(settled) else None
    match phase:
        case Phase.STATEMENT:
            return Role.MEMBER if row.top.kind == Kind.MEMBERS else statement_role(row)
        case Phase.OPERAND:
            return operand_role(row)
        case Phase.TYPE_NAME:
            # The analysis takes `(name_t *__user)` for a product.
            return {"basic": Role.BASIC, "plain": None, "star": None}.get(row.word, Role.ANNOTATION)
        case Phase.DECLARATOR:
            return Role.NEW_OR_BASIC if row.word == "basic" else Role.NEW
        case _:
            return _ROLES.get(phase)


class Prefix(NamedTuple):
    """The beginning of a word, at a place where the allowed words are listed.

    If the word may not end yet, what may follow depends on nothing else.

    Attributes:
        role: Role of the word.
        text: The characters so far.
        added: Names that begin with them and that are allowed in addition to those of the name table.
    """

    role: Role
    text: str
    added: frozenset[str]

    def extend(self, character: str) -> Prefix:
        """Return the prefix with one more character."""
        text, added = self.text + character, self.added
        return Prefix(self.role, text, added and frozenset(name for name in added if name.startswith(text)))


def read_prefix(row: Row) -> Prefix | None:
    """Return the word at a position, or None if there is none, or if the allowed words are not listed."""
    role, text = row.role, row.word
    if row.phase != Phase.WORD or not _is_listed(row):
        return None
    added = row.scope.find(text) if role in USES else _NO_WORDS
    return Prefix(role, text, added.union(_other_words(row)))


def _is_listed(row: Row) -> bool:
    """Return whether the allowed words are listed at a position in a word."""
    role = row.role
    return role in USES or role in _LISTED or (role == Role.LABEL and bool(row.function.pending))


def _other_words(row: Row) -> list[str]:
    """Return the words at a position in a word that are neither in the name table nor in scope."""
    role = row.role
    if role not in FIRST and role != Role.LABEL:
        return []
    words = row.function.pending if role == Role.LABEL else conditional_words(row.go(statement_phase(role)))
    return [word for word in words if word.startswith(row.word)]


def next_in_prefix(prefix: Prefix, names: NameTable) -> int:
    """Return the characters that may continue a prefix, with the bit `complete` if it is a whole word."""
    text = prefix.text
    return names.next_characters(prefix.role, text) | _next_in(prefix.added, len(text), names.alphabet)


def forced_characters(prefix: Prefix, names: NameTable) -> str:
    """Return characters that must follow a prefix, as at the end of a long name. They need not be all."""
    return "" if prefix.added else names.forced_characters(prefix.role, prefix.text)


def _next_in(words: Iterable[str], length: int, alphabet: Alphabet) -> int:
    """Return the characters of words after their first ones, with the bit `complete` if one ends there."""
    found = 0
    for word in words:
        found |= alphabet.bits(word[length]) if len(word) > length else alphabet.complete
    return found


def next_in_word(row: Row, names: NameTable) -> int:
    """Return the characters that may continue a word, with the bit `complete` if it may end."""
    word, alphabet = row.word, names.alphabet
    if _is_listed(row):
        found = names.next_characters(row.role, word) | _next_in(_other_words(row), len(word), alphabet)
        return found | row.scope.next_characters(word) if row.role in USES else found
    if not word:
        return alphabet.letters
    complete = _may_end(row)
    return (0 if complete and len(word) >= LONGEST_NAME else alphabet.name_characters) | (
        alphabet.complete if complete else 0
    )


def _may_end(row: Row) -> bool:
    """Return whether a word of any spelling may end."""
    match row.role:
        case Role.NEW:
            return row.word in ANNOTATIONS or may_declare(row, row.word)
        case Role.NEW_OR_BASIC:
            return row.word in FURTHER_TYPES or row.word in ANNOTATIONS or may_declare(row, row.word)
        case Role.LABEL:
            return row.word not in RESERVED and row.word not in row.function.labels
        case _:
            return row.word not in RESERVED


def finish_word(row: Row, names: NameTable) -> Row:
    """Return the position after a word."""
    role, word = row.role, row.word
    if role in FIRST:
        return finish_first_word(row, names) or finish_operand_word(
            settle(row._replace(phase=Phase.STATEMENT)).push(Kind.EXPRESSION, Phase.OPERAND, word=word), names
        )
    match role:
        case Role.TYPE | Role.MEMBER:
            return add_type(row, word)
        case Role.BASIC:
            return row.go(Phase.TYPE_NAME, word="basic" if word in SIZES else "known")
        case Role.ANNOTATION:
            return row.go(Phase.TYPE_NAME, word="star")
        case Role.LABEL:
            return finish_label(row)
        case Role.NEW | Role.NEW_OR_BASIC:
            if word in ANNOTATIONS or word in FURTHER_TYPES:
                return row.go(Phase.DECLARATOR, word="basic" if word in SIZES else "")
            return declare(row)
        case Role.FREE:
            return _finish_free_word(row)
        case _:
            return finish_operand_word(row, names)


def _finish_free_word(row: Row) -> Row:
    match row.base:
        case Phase.GOTO:
            return finish_goto(row)
        case Phase.TAG:
            in_brackets = row.top.kind in (Kind.GROUP, Kind.SIZEOF)
            return row.go(Phase.TYPE_NAME, word="tag") if in_brackets else row.go(Phase.DECLARATOR)
        case Phase.NAMED:
            return row.go(Phase.DESIGNATOR)
        case Phase.ENUMERATOR:
            return declare_enumerator(row)
        case _:
            return finish_member(row)
