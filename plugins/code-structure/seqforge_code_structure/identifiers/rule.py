"""The form of the rules that rewrite C of the Linux kernel, and patterns that they share."""

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from seqforge_code_structure.identifiers.compiled_code import blank

Match = re.Match[bytes]


class Rule(NamedTuple):
    """A rule of the rewriting.

    Attributes:
        hints: Byte strings. Code that contains none of them is not searched for the pattern, to save time.
        pattern: Regular expression of the code to replace, in which `^` is the start of a line. It is compiled when
            code contains one of the hints, so that the command starts quickly. A pattern that begins with a character
            is fast, and one that begins with a lookbehind is slow.
        reason: Reason for the rule.
        by: Text that replaces the group `name` of the pattern, or all of it if it has no such group. The rest of the
            group becomes spaces. If its first line is shorter than the text, nothing is replaced. Or a function that
            returns the replacement of a match, which has as many bytes and the same line breaks.
        always: Whether the rule is needed for code that parses without it, too, but with another meaning. All other
            rules apply only to code that does not parse.
    """

    hints: tuple[bytes, ...]
    pattern: bytes
    reason: str
    by: bytes | Callable[[Match], bytes] = b""
    always: bool = False

    def apply(self, code: bytes) -> bytes:
        """Return the code in which every match is replaced."""
        for hint in self.hints:
            if hint in code:
                pattern = _compile(self.pattern)
                by = self.by
                return pattern.sub(by if callable(by) else _replace_by(by, "name" in pattern.groupindex), code)
        return code


@cache
def _compile(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.MULTILINE)


@cache
def _replace_by(text: bytes, named: bool) -> Callable[[Match], bytes]:
    group = "name" if named else 0

    def replace(match: Match) -> bytes:
        whole, (begin, _), (start, stop) = match[0], match.span(), match.span(group)
        replaced = whole[start - begin : stop - begin]
        if len(replaced.partition(b"\n")[0]) < len(text):
            return whole
        return whole[: start - begin] + text + blank(replaced[len(text) :]) + whole[stop - begin :]

    return replace


ARGUMENTS = rb"\((?:[^()]++|\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\))*+\)"
"""Balanced brackets, nested up to four deep."""

MACRO = rb"[A-Z_][A-Z0-9_]++"
"""Name in capital letters."""

BASIC = (
    rb"(?:unsigned|signed|long|short|int|char|void|_?[Bb]ool|float|double|__[us](?:8|16|32|64)|[us](?:8|16|32|64))\b"
)
TYPE = (
    rb"(?:(?P<record>(?:const\s++)?(?:(?:struct|union|enum)\s++\w++|(?:__)?typeof(?:__)?\s*+"
    + ARGUMENTS
    + rb")(?:\s*+\*)*+)"
    rb"|(?:const\s++)?" + BASIC + rb"(?:\s++" + BASIC + rb")*+(?:\s*+\*)*+"
    rb"|(?:const\s++)?[A-Za-z_]\w*+(?:\s*+\*)++)"
)
MEMBER = (
    rb"(?P<member>(?P<comma>\s*+,\s*+)(?P<path>[A-Za-z_](?:\w|\.|->)*+)(?:\[[^][,]*+\]|\.\w++|->\w++)*+\s*+(?=\)))?"
)
ANNOTATION = (
    rb"__(?<!\w__)(?!(?:[us]|[bl]e)\d|\w*+(?<=_t)\b|int128|typeof|restrict|inline|extension|asm|attribute)[a-z]\w*+"
)
"""A name such as `__init`, but no type such as `__be32`."""
