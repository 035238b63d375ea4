"""Rewrite C of the Linux kernel so that a C parser accepts it.

A rule replaces a match by as many bytes and keeps its line breaks, so that positions in the code remain valid. It also
keeps the positions of names, since these are read from the text by position.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seqforge_code_structure.identifiers.rewrites import Rewrite, is_label_address, read_rewrites

_STRUCTURE = re.compile(rb"\b(?:struct|union)(?:\s++\w++)?\s*+\Z")
_ENUMERATION = re.compile(rb"\benum(?:\s++\w++)?\s*+\Z")
_LAST_LINE = rb"\n(?:\}|[A-Za-z_][^\n{]*+\{[^\n]*\}[ \t]*+$)"
_DECLARATION = re.compile(
    rb"[^\n]*+(?:(?!" + _LAST_LINE + rb")\n[^\n]*+)*+(?:" + _LAST_LINE + rb"[^\n]*+|\Z)", re.MULTILINE
)
"""A part of a unit up to the next `}` in column 0, or to a function on one line. Directives may join several functions
to one unit."""
_ADDRESS = re.compile(rb"&&\s*+(?P<name>[A-Za-z_]\w*+)")


class Rewrites(NamedTuple):
    """Rules by the part of a unit to which they apply."""

    unit: tuple[Rewrite, ...]
    top_level: tuple[Rewrite, ...]
    head: tuple[Rewrite, ...]
    member: tuple[Rewrite, ...]
    enumerator: tuple[Rewrite, ...]
    body: tuple[Rewrite, ...]


def _read_all() -> Rewrites:
    tables = read_rewrites()
    return Rewrites(
        unit=tables["unit"],
        top_level=tables["annotation"] + tables["top_level"] + tables["argument"],
        head=tables["annotation"] + tables["head"],
        member=tables["member"],
        enumerator=tables["enumerator"],
        body=tables["body"] + tables["argument"],
    )


ALL_RULES = _read_all()
RULES_FOR_ALL_CODE = Rewrites(*(tuple(rule for rule in rules if rule.always) for rules in ALL_RULES))
"""Without the rules for code that does not parse."""


def rewrite(code: bytes, rules: Rewrites = ALL_RULES) -> bytes:
    """Apply rules to the compiled code of one unit. The length and the positions of line breaks do not change."""
    code = _apply(rules.unit, code)
    if code.count(b"}\n") < 2:
        return _rewrite_declaration(code, rules)
    return b"".join(_rewrite_declaration(part, rules) for part in _DECLARATION.findall(code))


def _rewrite_declaration(code: bytes, rules: Rewrites) -> bytes:
    body = code.find(b"{")
    if body < 0:
        return _apply(rules.top_level, code)
    head, tail = code[:body], code[body:]
    if _STRUCTURE.search(head):
        tail = _apply(rules.member, tail)
    elif _ENUMERATION.search(head):
        tail = _apply(rules.enumerator, tail)
    return _apply(rules.head, head) + _apply(rules.body, tail)


def find_label_addresses(code: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each label whose address is taken in compiled code, as in `&&label`."""
    for match in _ADDRESS.finditer(code):
        if is_label_address(match):
            yield match.span("name")


def _apply(rules: Sequence[Rewrite], code: bytes) -> bytes:
    for rule in rules:
        code = rule.apply(code)
    return code
