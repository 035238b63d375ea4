"""Words in the grammar of the sampler `scoped`: which may be at a position, and where they lead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from seqforge_c_samplers.expressions import finish_member, finish_operand_word, operand_role
from seqforge_c_samplers.name_lists import Alphabet
from seqforge_c_samplers.names import (
    ANNOTATIONS,
    FURTHER_TYPES,
    LONGEST_NAME,
    RESERVED,
    SIZES,
    USES,
    NameTable,
    WordRole,
)
from seqforge_c_samplers.positions import CodePosition, Element, Phase
from seqforge_c_samplers.statements import (
    add_type,
    begins_item,
    conditional_words,
    declare,
    declare_enumerator,
    finish_first_word,
    finish_goto,
    finish_label,
    may_declare,
    settle,
    statement_phase,
    statement_role,
)

_LISTED = frozenset({WordRole.WHILE, WordRole.TYPE, WordRole.BASIC, WordRole.ANNOTATION, WordRole.MEMBER})
"""Roles with a list of words."""
_NO_WORDS: frozenset[str] = frozenset()
FIRST = (WordRole.STATEMENT, WordRole.ITEM, WordRole.WHILE)
"""Roles of the first word of a statement."""
_ROLES = {
    Phase.MEMBER: WordRole.FREE,
    Phase.NAMED: WordRole.FREE,
    Phase.WHILE: WordRole.WHILE,
    Phase.GOTO: WordRole.FREE,
    Phase.TYPE: WordRole.TYPE,
    Phase.TAG: WordRole.FREE,
    Phase.TAGGED: WordRole.NEW,
    Phase.ENUMERATOR: WordRole.FREE,
}


def role_of_word(code: CodePosition, column_zero: bool) -> WordRole | None:
    """Return the role of a word that may follow, or None."""
    phase = code.phase
    if column_zero:
        settled = settle(code) if phase == Phase.STATEMENT else code
        return WordRole.LABEL if begins_item(settled) else None
    match phase:
        case Phase.STATEMENT:
            return WordRole.MEMBER if code.top.kind == Element.MEMBERS else statement_role(code)
        case Phase.OPERAND:
            return operand_role(code)
        case Phase.TYPE_NAME:
            # The analysis takes `(name_t *__user)` for a product.
            return {"basic": WordRole.BASIC, "plain": None, "star": None}.get(code.word, WordRole.ANNOTATION)
        case Phase.DECLARATOR:
            return WordRole.NEW_OR_BASIC if code.word == "basic" else WordRole.NEW
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

    role: WordRole
    text: str
    added: frozenset[str]

    def extend(self, character: str) -> Prefix:
        """Return the prefix with one more character."""
        text, added = self.text + character, self.added
        return Prefix(self.role, text, added and frozenset(name for name in added if name.startswith(text)))


def read_prefix(code: CodePosition) -> Prefix | None:
    """Return the word at a position, or None if there is none, or if the allowed words are not listed."""
    role, text = code.role, code.word
    if code.phase != Phase.WORD or not _is_listed(code):
        return None
    added = code.scope.find(text) if role in USES else _NO_WORDS
    return Prefix(role, text, added.union(_other_words(code)))


def _is_listed(code: CodePosition) -> bool:
    """Return whether the allowed words are listed at a position in a word."""
    role = code.role
    return role in USES or role in _LISTED or (role == WordRole.LABEL and bool(code.function.pending))


def _other_words(code: CodePosition) -> list[str]:
    """Return the words at a position in a word that are neither in the name table nor in scope."""
    role = code.role
    if role not in FIRST and role != WordRole.LABEL:
        return []
    words = code.function.pending if role == WordRole.LABEL else conditional_words(code.go(statement_phase(role)))
    return [word for word in words if word.startswith(code.word)]


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


def next_in_word(code: CodePosition, names: NameTable) -> int:
    """Return the characters that may continue a word, with the bit `complete` if it may end."""
    word, alphabet = code.word, names.alphabet
    if _is_listed(code):
        found = names.next_characters(code.role, word) | _next_in(_other_words(code), len(word), alphabet)
        return found | code.scope.next_characters(word) if code.role in USES else found
    if not word:
        return alphabet.letters
    complete = _may_end(code)
    return (0 if complete and len(word) >= LONGEST_NAME else alphabet.name_characters) | (
        alphabet.complete if complete else 0
    )


def _may_end(code: CodePosition) -> bool:
    """Return whether a word of any spelling may end."""
    match code.role:
        case WordRole.NEW:
            return code.word in ANNOTATIONS or may_declare(code, code.word)
        case WordRole.NEW_OR_BASIC:
            return code.word in FURTHER_TYPES or code.word in ANNOTATIONS or may_declare(code, code.word)
        case WordRole.LABEL:
            return code.word not in RESERVED and code.word not in code.function.labels
        case _:
            return code.word not in RESERVED


def finish_word(code: CodePosition, names: NameTable) -> CodePosition:
    """Return the position after a word."""
    role, word = code.role, code.word
    if role in FIRST:
        return finish_first_word(code, names) or finish_operand_word(
            settle(code._replace(phase=Phase.STATEMENT)).push(Element.EXPRESSION, Phase.OPERAND, word=word), names
        )
    match role:
        case WordRole.TYPE | WordRole.MEMBER:
            return add_type(code, word)
        case WordRole.BASIC:
            return code.go(Phase.TYPE_NAME, word="basic" if word in SIZES else "known")
        case WordRole.ANNOTATION:
            return code.go(Phase.TYPE_NAME, word="star")
        case WordRole.LABEL:
            return finish_label(code)
        case WordRole.NEW | WordRole.NEW_OR_BASIC:
            if word in ANNOTATIONS or word in FURTHER_TYPES:
                return code.go(Phase.DECLARATOR, word="basic" if word in SIZES else "")
            return declare(code)
        case WordRole.FREE:
            return _finish_free_word(code)
        case _:
            return finish_operand_word(code, names)


def _finish_free_word(code: CodePosition) -> CodePosition:
    match code.base:
        case Phase.GOTO:
            return finish_goto(code)
        case Phase.TAG:
            in_brackets = code.top.kind in (Element.GROUP, Element.SIZEOF)
            return code.go(Phase.TYPE_NAME, word="tag") if in_brackets else code.go(Phase.DECLARATOR)
        case Phase.NAMED:
            return code.go(Phase.DESIGNATOR)
        case Phase.ENUMERATOR:
            return declare_enumerator(code)
        case _:
            return finish_member(code)
