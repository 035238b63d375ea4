"""The form of the rules that rewrite C of the Linux kernel, and patterns that they share."""

from collections.abc import Callable
from typing import NamedTuple

from seqforge_code_structure.identifiers.replacements import Match


class Rule(NamedTuple):
    """A rule of the rewriting.

    Attributes:
        hints: Byte strings. Code that contains none of them is not searched for the pattern, to save time.
        pattern: Regular expression of the code to replace, in which `^` is the start of a line. It is compiled when
            code contains one of the hints, so that the command starts quickly.
        replacement: Function that returns the replacement of a match.
        reason: Reason for the rule.
    """

    hints: tuple[bytes, ...]
    pattern: bytes
    replacement: Callable[[Match], bytes]
    reason: str


ARGUMENTS = rb"\((?:[^()]++|\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\))*+\)"
"""Balanced brackets, nested up to four deep."""

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
