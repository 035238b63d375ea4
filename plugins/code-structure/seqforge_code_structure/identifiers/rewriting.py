"""Rewrite C of the Linux kernel so that a C parser accepts it.

A rule replaces a match by as many bytes and keeps its line breaks, so that positions in the code remain valid. It also
keeps the positions of names, since these are read from the text by position.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from seqforge_code_structure.identifiers.place_rules import BODY_RULES, HEAD_RULES, MEMBER_RULES, TOP_LEVEL_RULES
from seqforge_code_structure.identifiers.rule import Rule
from seqforge_code_structure.identifiers.unit_rules import RULES

_STRUCTURE = re.compile(rb"\b(?:struct|union)(?:\s++\w++)?\s*+\Z")
_LABEL_ADDRESS = re.compile(rb"(?:[=,({\[?:-]|\breturn\b)\s*+&&\s*+(?P<name>[A-Za-z_]\w*+)")


def rewrite(code: bytes) -> bytes:
    """Apply all rules to the compiled code of one unit. The length and the positions of line breaks do not change."""
    code = _apply(RULES, code)
    body = code.find(b"{")
    if body < 0:
        return _apply(TOP_LEVEL_RULES, code)
    head, tail = code[:body], code[body:]
    if _STRUCTURE.search(head):
        tail = _apply(MEMBER_RULES, tail)
    return _apply(HEAD_RULES, head) + _apply(BODY_RULES, tail)


def find_label_addresses(code: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each label whose address is taken in compiled code, as in `&&label`."""
    if b"&&" in code:
        for match in _LABEL_ADDRESS.finditer(code):
            yield match.span("name")


@cache
def _compile(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.MULTILINE)


def _apply(rules: Sequence[Rule], code: bytes) -> bytes:
    for rule in rules:
        if any(hint in code for hint in rule.hints):
            code = _compile(rule.pattern).sub(rule.replacement, code)
    return code
