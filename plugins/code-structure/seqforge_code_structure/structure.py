"""Find the structural tokens of a C text: brackets, semicolons, comments, literals and directives.

One compiled pattern finds them. The regular expression engine skips the text between two tokens, so that Python handles
one match for about fourteen characters. All quantifiers are possessive and the pattern matches at every position, so
the time is linear in the length of any text.
"""

import re
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
    END = 12
    """The end of the text."""


@cache
def _pattern(directives: bool = True, brackets: bool = True) -> re.Pattern[str]:
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
        rf"|({UNTERMINATED_COMMENT})|({UNTERMINATED_STRING})|(')|(\*/)|(\Z))"
    )


def scan_text(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield the `TokenKind`, the start and the end of each structural token of a text, in order.

    The last one is `TokenKind.END`, which may occur twice.
    """
    return _tokens(_pattern().finditer(text))


def scan_literals(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield tokens as `scan_text` does, but skip all brackets."""
    return _tokens(_pattern(brackets=False).finditer(text))


def scan_directive(text: str, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield tokens as `scan_text` does for a part of the text inside a directive, where `#` begins no directive."""
    return _tokens(_pattern(directives=False).finditer(text, start, stop))


def _tokens(matches: Iterator[re.Match[str]]) -> Iterator[tuple[int, int, int]]:
    for match in matches:
        kind = match.lastindex or int(TokenKind.END)
        yield kind, *match.span(kind)


def may_be_cut(text: str, start: int) -> bool:
    """Return whether the end of the text may cut the character literal that begins at `start`."""
    return len(text) - start <= _LONGEST_CHARACTER and "\n" not in text[start:]
