"""Find the structural tokens of a C text: brackets, semicolons, comments, literals and directives.

One compiled pattern finds them. The regular expression engine skips the text between two tokens, so that Python handles
one match for about fourteen characters. All quantifiers are possessive and the pattern matches at every position, so
the time is linear in the length of any text.
"""

import re
import sys
from collections.abc import Iterator
from enum import IntEnum
from functools import cache

COMMENT = r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/"
LINE_COMMENT = r"//(?:[^\\\n]++|\\[\s\S]?)*+"
STRING = r'"(?:[^"\\\n]++|\\(?:\r\n|[\s\S]))*+"'
CHARACTER = r"'(?:[^'\\\n]++|\\(?:\r\n|[\s\S]))++'"
UNTERMINATED_COMMENT = r"/\*[\s\S]*+"
ESCAPE = r"\\[\"']"
"""An escaped quotation mark outside of literals, which begins none. Without this, many of them take quadratic time."""
UNTERMINATED_STRING = r'"(?:[^"\\\n]++|\\(?:\r\n|[\s\S])?)*+'
_REST_OF_DIRECTIVE = (
    rf"""(?:[^\n\\/"']++|{ESCAPE}|\\(?:\r?\n)?|{COMMENT}|{LINE_COMMENT}|{UNTERMINATED_COMMENT}|/"""
    rf"""|{STRING}|{CHARACTER}|["'])*+"""
)
DIRECTIVE = rf"[ \t]*+\#{_REST_OF_DIRECTIVE}"
"""A directive from the start of its line to its end, with continuation lines."""

_LONGEST_CHARACTER = 12
"""Length of a literal such as `'\\U0001F600'`, without its closing quotation mark."""


class TokenKind(IntEnum):
    """Kind of a structural token. The value is the number of its group in the pattern."""

    OPENING_DIRECTIVE = 1
    """A directive on the first line of the text."""
    BRACKET = 2
    DIRECTIVE = 3
    """A directive, with the line break before it."""
    COMMENT = 4
    LINE_COMMENT = 5
    STRING = 6
    CHARACTER = 7
    UNTERMINATED_COMMENT = 8
    UNTERMINATED_STRING = 9
    """The literal up to the end of its line."""
    UNTERMINATED_CHARACTER = 10
    """The opening quotation mark only."""
    STRAY_COMMENT_END = 11


DIRECTIVES = (int(TokenKind.DIRECTIVE), int(TokenKind.OPENING_DIRECTIVE))
"""The kinds of directives."""


@cache
def _pattern(directives: bool, brackets: bool) -> re.Pattern[str]:
    """Compile the pattern of some tokens when it is first needed."""
    tokens = r"()\[\]{}" if brackets else ""
    between = rf"""(?:[^\n/"'*{tokens}\\]++|{ESCAPE}|\\|/(?![*/])|\*(?!/(?![*/]))|\n"""
    if directives:
        between += r"(?![ \t]*+\#)"
    between += ")*+"
    never = r"(?!)"
    return re.compile(
        rf"(\A{DIRECTIVE if directives else never})|{between}(?:([()\[\]{{}}])"
        rf"|(\n{DIRECTIVE if directives else never})|({COMMENT})|({LINE_COMMENT})|({STRING})|({CHARACTER})"
        rf"|({UNTERMINATED_COMMENT})|({UNTERMINATED_STRING})|(')|(\*/)|\Z)"
    )


def scan_text(
    text: str, start: int = 0, stop: int = sys.maxsize, *, directives: bool = True, brackets: bool = True
) -> Iterator[tuple[int, int, int]]:
    """Yield the `TokenKind`, the start and the end of each structural token between two positions, in order.

    Args:
        text: The text.
        start: Position at which the search begins.
        stop: Position at which it ends.
        directives: Whether a `#` begins a directive, as it does not inside of another one.
        brackets: Whether to yield brackets.
    """
    for match in _pattern(directives, brackets).finditer(text, start, stop):
        if kind := match.lastindex:  # It is None at the end.
            yield kind, *match.span(kind)


def may_be_cut(text: str, start: int) -> bool:
    """Return whether the end of the text may cut the character literal that begins at `start`."""
    return len(text) - start <= _LONGEST_CHARACTER and "\n" not in text[start:]
