"""The tokens that give a C text its structure: brackets, semicolons, comments, literals and directives.

One compiled pattern does the work. Whatever stands between two such tokens is passed over inside the regular
expression engine, so that Python sees one match for about fourteen characters. Every quantifier is possessive and every
position matches something: the time is linear in the text, whatever it holds.
"""

import re
from collections.abc import Iterator
from enum import IntEnum

COMMENT = r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/"
LINE_COMMENT = r"//(?:[^\\\n]++|\\[\s\S]?)*+"
STRING = r'"(?:[^"\\\n]++|\\(?:\r\n|[\s\S]))*+"'
CHARACTER = r"'(?:[^'\\\n]++|\\(?:\r\n|[\s\S]))++'"
UNTERMINATED_COMMENT = r"/\*[\s\S]*+"
ESCAPE = r"\\[\"']"
"""A quotation mark that begins nothing. Were it taken for a beginning, each of many would be sought its end in vain."""
UNTERMINATED_STRING = r'"(?:[^"\\\n]++|\\(?:\r\n|[\s\S])?)*+'
_REST_OF_DIRECTIVE = (
    rf"""(?:[^\n\\/"']++|{ESCAPE}|\\(?:\r?\n)?|{COMMENT}|{LINE_COMMENT}|{UNTERMINATED_COMMENT}|/"""
    rf"""|{STRING}|{CHARACTER}|["'])*+"""
)
DIRECTIVE = rf"[ \t]*+\#{_REST_OF_DIRECTIVE}"
"""A directive from its line's start to its line's end, with the lines that continue it."""

_LONGEST_CHARACTER = 12
"""Characters of a literal such as `'\\U0001F600'`, without its end."""


class Kind(IntEnum):
    """What a structural token is: the number of its group in the pattern."""

    OPENING_DIRECTIVE = 1
    """A directive in the text's first line."""
    BRACKET = 2
    SEMICOLON = 3
    DIRECTIVE = 4
    """A directive, with the line end before it."""
    COMMENT = 5
    LINE_COMMENT = 6
    STRING = 7
    CHARACTER = 8
    UNTERMINATED_COMMENT = 9
    UNTERMINATED_STRING = 10
    """Up to the line's end."""
    UNTERMINATED_CHARACTER = 11
    """The quotation mark alone."""
    STRAY_COMMENT_END = 12
    END = 13
    """The end of the text, once."""


def _compile(directives: bool) -> re.Pattern[str]:
    between = rf"""(?:[^\n/"'*()\[\]{{}};\\]++|{ESCAPE}|\\|/(?![*/])|\*(?!/(?![*/]))|\n""" + (
        r"(?![ \t]*+\#))*+" if directives else ")*+"
    )
    never = r"(?!)"
    return re.compile(
        rf"(\A{DIRECTIVE if directives else never})|{between}(?:([()\[\]{{}}])|(;)"
        rf"|(\n{DIRECTIVE if directives else never})|({COMMENT})|({LINE_COMMENT})|({STRING})|({CHARACTER})"
        rf"|({UNTERMINATED_COMMENT})|({UNTERMINATED_STRING})|(')|(\*/)|(\Z))"
    )


_TEXT = _compile(directives=True)
_BODY = _compile(directives=False)


def structure(text: str, start: int = 0) -> Iterator[re.Match[str]]:
    """Find the structural tokens of a text.

    Args:
        text: C, or what should be C.
        start: Where to begin: the start of the text or of a line, or behind a token.

    Returns:
        A match for each token, in order: `lastindex` is its `Kind`, and the token is the group of that number. The last
        one is `Kind.END`; a second one may follow.
    """
    return _TEXT.finditer(text, start)


def structure_of_body(text: str, start: int, stop: int) -> Iterator[re.Match[str]]:
    """Find the structural tokens inside a directive, where a `#` begins no directive.

    Args:
        text: The whole text.
        start: The directive's first character.
        stop: One past its last.

    Returns:
        Matches as `structure` gives them.
    """
    return _BODY.finditer(text, start, stop)


def may_be_cut(text: str, start: int) -> bool:
    """Tell whether a character literal without an end may be one that the text's end cuts.

    Args:
        text: The whole text.
        start: Where the literal begins.
    """
    return len(text) - start <= _LONGEST_CHARACTER and "\n" not in text[start:]
