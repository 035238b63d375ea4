"""Rewrite C with macros, such as that of the Linux kernel, so that a C parser accepts it.

The rules are in `rewrites.toml`. A rule replaces a match by as many bytes and keeps its line breaks, so that positions
in the code remain valid. It also keeps the positions of names, since these are read from the text by position.
"""

import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from seqforge_code_structure.compiled_code import blank

_STRUCTURE = re.compile(rb"\b(?:struct|union)(?:\s++\w++)?\s*+\Z")


class Rewrite(NamedTuple):
    """A rule of the rewriting, from `rewrites.toml`, which describes its attributes and the patterns that rules share.

    The pattern is compiled when code contains one of the hints, so that the command starts quickly.
    """

    hints: tuple[bytes, ...]
    pattern: bytes
    by: bytes

    def apply(self, code: bytes) -> bytes:
        """Return the code in which every match is replaced."""
        for hint in self.hints:
            if hint in code:
                pattern = _compile(self.pattern)
                return pattern.sub(_replace_by(self.by, "name" if "name" in pattern.groupindex else 0), code)
        return code


@cache
def _compile(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.MULTILINE)


@cache
def _replace_by(text: bytes, group: str | int) -> Callable[[re.Match[bytes]], bytes]:
    def replace(match: re.Match[bytes]) -> bytes:
        whole, (begin, _), (start, stop) = match[0], match.span(), match.span(group)
        replaced = whole[start - begin : stop - begin]
        if len(replaced.partition(b"\n")[0]) < len(text):
            return whole
        return whole[: start - begin] + text + blank(replaced[len(text) :]) + whole[stop - begin :]

    return replace


def _read_rules() -> tuple[dict[str, str], dict[str, tuple[Rewrite, ...]]]:
    """Return the patterns that the rules share, and the rules of each part of the file."""
    content = resources.files("seqforge_code_structure.identifiers").joinpath("rewrites.toml").read_text("utf-8")
    tables: dict[str, Any] = tomllib.loads(content)
    patterns: dict[str, str] = tables.pop("patterns")

    def read(entry: dict[str, Any]) -> Rewrite:
        pattern: str = entry["pattern"]
        while "@" in pattern:  # Patterns contain others.
            pattern = re.sub("@([A-Z]+)@", lambda match: patterns[match[1]], pattern)
        hints = tuple(hint.encode() for hint in entry["hints"])
        return Rewrite(hints, pattern.replace("\n", "").encode(), entry.get("by", "").encode())

    return patterns, {part: tuple(map(read, rules)) for part, rules in tables.items()}


_PATTERNS, _RULES = _read_rules()
ARGUMENTS = _PATTERNS["ARGUMENTS"].encode()
"""Balanced brackets, nested up to four deep."""


def rewrite(code: bytes) -> bytes:
    """Rewrite what parses as it is, but with another meaning, in the compiled code of one unit.

    The length and the positions of line breaks do not change.
    """
    return _apply(_RULES["always"], code)


def repair(code: bytes) -> bytes:
    """Rewrite also what does not parse, in code that `rewrite` returned."""
    code = _apply(_RULES["unit"], code)
    body = code.find(b"{")
    if body < 0:
        return _apply(_RULES["annotation"] + _RULES["top_level"], code)
    head, tail = code[:body], code[body:]
    if _STRUCTURE.search(head):
        tail = _apply(_RULES["member"], tail)
    return _apply(_RULES["annotation"] + _RULES["head"], head) + _apply(_RULES["body"], tail)


def _apply(rules: Sequence[Rewrite], code: bytes) -> bytes:
    for rule in rules:
        code = rule.apply(code)
    return code
