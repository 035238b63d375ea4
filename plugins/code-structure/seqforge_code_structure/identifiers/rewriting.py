"""Rewrite C of the Linux kernel so that a C parser accepts it.

A rule replaces a match by as many bytes and keeps its line breaks, so that positions in the code remain valid. It also
keeps the positions of names, since these are read from the text by position.
"""

import re
from collections.abc import Iterator, Sequence

from seqforge_code_structure.identifiers.place_rules import (
    BODY_RULES,
    ENUMERATOR_RULES,
    HEAD_RULES,
    MEMBER_RULES,
    TOP_LEVEL_RULES,
)
from seqforge_code_structure.identifiers.replacements import is_label_address
from seqforge_code_structure.identifiers.rule import Rule
from seqforge_code_structure.identifiers.unit_rules import RULES

_STRUCTURE = re.compile(rb"\b(?:struct|union)(?:\s++\w++)?\s*+\Z")
_ENUMERATION = re.compile(rb"\benum(?:\s++\w++)?\s*+\Z")
_ADDRESS = re.compile(rb"&&\s*+(?P<name>[A-Za-z_]\w*+)")


def rewrite(code: bytes) -> bytes:
    """Apply all rules to the compiled code of one unit. The length and the positions of line breaks do not change."""
    code = _apply(RULES, code)
    body = code.find(b"{")
    if body < 0:
        return _apply(TOP_LEVEL_RULES, code)
    head, tail = code[:body], code[body:]
    if _STRUCTURE.search(head):
        tail = _apply(MEMBER_RULES, tail)
    elif _ENUMERATION.search(head):
        tail = _apply(ENUMERATOR_RULES, tail)
    return _apply(HEAD_RULES, head) + _apply(BODY_RULES, tail)


def find_label_addresses(code: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each label whose address is taken in compiled code, as in `&&label`."""
    for match in _ADDRESS.finditer(code):
        if is_label_address(match):
            yield match.span("name")


def _apply(rules: Sequence[Rule], code: bytes) -> bytes:
    for rule in rules:
        code = rule.apply(code)
    return code
