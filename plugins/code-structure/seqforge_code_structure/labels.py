"""Label every character of a C text with a class, by tokens that cover any text without gaps.

The lexer does not evaluate declarations. It classifies as types: those of C, those of Linux such as `u32` and `__le16`,
any word that ends in `_t`, and the word after `struct`, `union` or `enum`.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqforge_code_structure.structure import (
    CHARACTER,
    COMMENT,
    DIRECTIVE,
    ESCAPE,
    LINE_COMMENT,
    STRING,
    UNTERMINATED_COMMENT,
    UNTERMINATED_STRING,
    TokenKind,
    scan_directive,
)


class Class(IntEnum):
    """Class of a character."""

    OTHER = 0
    COMMENT = 1
    STRING = 2
    """A string or a character literal, with its quotation marks."""
    PREPROCESSOR = 3
    """A directive without its comments."""
    KEYWORD = 4
    TYPE = 5
    NUMBER = 6
    IDENTIFIER = 7


CLASSES = tuple(label.name.lower() for label in Class)
"""Names of the classes, by number."""


class Token(NamedTuple):
    """A token of a text.

    Attributes:
        kind: Class of its characters.
        start: Position of its first character.
        stop: Position after its last character.
    """

    kind: Class
    start: int
    stop: int


_TOKEN = re.compile(
    rf"(?:(?P<first>\A{DIRECTIVE})|(?P<directive>(?<=\n){DIRECTIVE})"
    rf"|(?P<comment>{COMMENT}|{LINE_COMMENT}|{UNTERMINATED_COMMENT})"
    rf"|(?P<string>{STRING}|{CHARACTER}|{UNTERMINATED_STRING}|')"
    rf"|(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*+)|(?P<word>[^\W\d]\w*+)|(?P<other>{ESCAPE}|\n|[^\S\n]++|[\s\S]))"
)
_TYPES_OF_C_AND_LINUX = """
    void char short int long float double signed unsigned _Bool bool _Complex FILE uint ulong ushort
    s8 u8 s16 u16 s32 u32 s64 u64 __s8 __u8 __s16 __u16 __s32 __u32 __s64 __u64
    __le16 __be16 __le32 __be32 __le64 __be64 __sum16 __wsum
"""
_KEYWORDS_OF_C_AND_GCC = """
    struct union enum
    alignas alignof auto asm break case const constexpr continue default do else extern for goto if inline register
    restrict return sizeof static static_assert switch thread_local typedef typeof volatile while
    _Alignas _Alignof _Atomic _Generic _Noreturn _Static_assert _Thread_local
    __asm__ __attribute__ __const__ __inline __inline__ __restrict __typeof__ __volatile__
"""
_TYPES = frozenset(_TYPES_OF_C_AND_LINUX.split())
_TAGS = frozenset({"struct", "union", "enum"})
_KEYWORDS = frozenset(_KEYWORDS_OF_C_AND_GCC.split())
_COMMENTS = (TokenKind.COMMENT, TokenKind.LINE_COMMENT, TokenKind.UNTERMINATED_COMMENT)
_CLASS_OF_GROUP = {"comment": Class.COMMENT, "string": Class.STRING, "number": Class.NUMBER, "other": Class.OTHER}


def label_characters(text: str) -> NDArray[np.uint8]:
    """Return the label of every character of a text, an index into `CLASSES`, `[length]`."""
    kinds: list[int] = []
    lengths: list[int] = []
    for kind, start, stop in tokenize(text):
        kinds.append(kind)
        lengths.append(stop - start)
    return np.repeat(np.array(kinds, dtype=np.uint8), np.array(lengths, dtype=np.int64))


def tokenize(text: str) -> Iterator[Token]:
    """Yield the tokens of a text without gaps, in linear time. White space has the class `OTHER`."""
    after_tag = False
    for match in _TOKEN.finditer(text):
        name = match.lastgroup or "other"
        start, stop = match.span()
        if name == "word":
            kind = _classify_word(match[0], after_tag)
            after_tag = match[0] in _TAGS
            yield Token(kind, start, stop)
        elif name in ("first", "directive"):
            yield from _tokenize_directive(text, start, stop)
        else:
            after_tag &= name == "comment" or match[0].isspace()
            yield Token(_CLASS_OF_GROUP[name], start, stop)


def _classify_word(word: str, after_tag: bool) -> Class:
    if word in _KEYWORDS:
        return Class.KEYWORD
    if after_tag or word in _TYPES or word.endswith("_t"):
        return Class.TYPE
    return Class.IDENTIFIER


def _tokenize_directive(text: str, start: int, stop: int) -> Iterator[Token]:
    position = start
    for match in scan_directive(text, start, stop):
        kind = match.lastindex
        if kind in _COMMENTS and kind is not None:
            if position < match.start(kind):
                yield Token(Class.PREPROCESSOR, position, match.start(kind))
            position = match.end()
            yield Token(Class.COMMENT, match.start(kind), position)
    if position < stop:
        yield Token(Class.PREPROCESSOR, position, stop)
