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

from seqforge_code_structure.identifiers.compiled_code import blank

ARGUMENTS = rb"\((?:[^()]++|\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\))*+\)"
"""Balanced brackets, nested up to four deep."""

_BASIC = (
    rb"(?:unsigned|signed|long|short|int|char|void|_?[Bb]ool|float|double|__[us](?:8|16|32|64)|[us](?:8|16|32|64))\b"
)
_PATTERNS = {
    "ARGUMENTS": ARGUMENTS,
    "ARGUMENT": rb"(?:[^(),;{}]++|" + ARGUMENTS + rb")++",
    "MACRO": rb"[A-Z_][A-Z0-9_]++",
    "BASIC": _BASIC,
    "ANNOTATION": rb"__(?<!\w__)(?:__)?+(?!(?:[us]|[bl]e)\d|\w*+(?<=_t)\b|int128|typeof|restrict|inline|extension|asm"
    rb"|attribute)[a-z]\w*+",
    "KEYWORD": rb"static|extern|typedef|register|inline|const|volatile|struct|union|enum|return|else|goto|case|do"
    rb"|sizeof|typeof|if|while|for|switch|" + _BASIC,
}
"""Patterns that the rules share, by name."""

_TYPE_ARGUMENT = re.compile(
    rb"(?P<opening>[(,]\s*+)(?=[A-Za-z_])(?P<type>"
    rb"(?P<record>(?:const\s++)?(?:(?:struct|union|enum)\s++\w++|(?:__)?typeof(?:__)?\s*+" + ARGUMENTS + rb")"
    rb"(?:\s*+\*)*+)"
    rb"|(?:const\s++)?" + _BASIC + rb"(?:\s++" + _BASIC + rb")*+(?:\s*+\*)*+"
    rb"|(?:const\s++)?[A-Za-z_]\w*+(?:\s*+\*)++)(?=\s*+[,)])"
    rb"(?P<member>(?P<comma>\s*+,\s*+)(?P<path>[A-Za-z_](?:\w|\.|->)*+)(?:\[[^][,]*+\]|\.\w++|->\w++)*+\s*+(?=\)))?"
)
_OFFSETOF = re.compile(rb"\boffsetof(?=\s*+\()")
_STRUCTURE = re.compile(rb"\b(?:struct|union)(?:\s++\w++)?\s*+\Z")
_LAST_LINE = rb"\n(?:\}|[A-Za-z_][^\n{]*+\{[^\n]*\}[ \t]*+$)"
_DECLARATION = re.compile(
    rb"[^\n]*+(?:(?!" + _LAST_LINE + rb")\n[^\n]*+)*+(?:" + _LAST_LINE + rb"[^\n]*+|\Z)", re.MULTILINE
)
"""A part of a unit up to the next `}` in column 0, or to a function on one line. Directives may join several functions
to one unit."""
_BRACKET = re.compile(rb"[()]")
_TYPE_WORD = re.compile(rb"\**(?:[A-Za-z_]\w*+\**)?")
_NO_TYPES = (b"return", b"else", b"case", b"do", b"goto")
_CALLEE = re.compile(
    rb"(?<!\w)(?!(?:sizeof|typeof|__typeof__|__typeof|alignof|_Alignof|__alignof__|if|else|do|while|for|switch|case"
    rb"|return)\b)[A-Za-z_]\w*+\s*+\Z"
)
_DECLARES = re.compile(rb"(?:DEFINE|DECLARE)_\w*+\Z")
# The searches before a match are limited, so that the time stays linear: these are numbers of bytes.
_LONGEST_CALL = 400
_LONGEST_NAME = 80


class Rewrite(NamedTuple):
    """A rule of the rewriting, from `rewrites.toml`, which describes its attributes.

    The pattern is compiled when code contains one of the hints, so that the command starts quickly.
    """

    hints: tuple[bytes, ...]
    pattern: bytes
    by: bytes
    always: bool

    def apply(self, code: bytes) -> bytes:
        """Return the code in which every match is replaced."""
        if not any(hint in code for hint in self.hints):
            return code
        pattern = _compile(self.pattern)
        return pattern.sub(_replace_by(self.by, "name" if "name" in pattern.groupindex else 0), code)


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


Rewrites = dict[str, tuple[Rewrite, ...]]
"""Rules by the part of a unit to which they apply."""


def _read_rewrites() -> Rewrites:
    content = resources.files("seqforge_code_structure.identifiers").joinpath("rewrites.toml").read_text("utf-8")
    return {part: tuple(map(_read_rewrite, rules)) for part, rules in tomllib.loads(content).items()}


def _read_rewrite(entry: dict[str, Any]) -> Rewrite:
    pattern = re.sub("@([A-Z]+)@", lambda match: _PATTERNS[match[1]].decode(), entry["pattern"].replace("\n", ""))
    hints = tuple(hint.encode() for hint in entry["hints"])
    return Rewrite(hints, pattern.encode(), entry.get("by", "").encode(), entry.get("always", False))


ALL_RULES = _read_rewrites()
RULES_FOR_ALL_CODE = {part: tuple(rule for rule in rules if rule.always) for part, rules in ALL_RULES.items()}
"""Without the rules for code that does not parse."""


def rewrite(code: bytes, rules: Rewrites = ALL_RULES) -> bytes:
    """Apply rules to the compiled code of one unit. The length and the positions of line breaks do not change."""
    code = _apply(rules["unit"], code)
    if code.count(b"}\n") < 2:
        return _rewrite_declaration(code, rules)
    return b"".join(_rewrite_declaration(part, rules) for part in _DECLARATION.findall(code))


def _rewrite_declaration(code: bytes, rules: Rewrites) -> bytes:
    body = code.find(b"{")
    if body < 0:
        return _replace_types(_apply(rules["annotation"] + rules["top_level"], code))
    head, tail = code[:body], code[body:]
    if _STRUCTURE.search(head):
        tail = _apply(rules["member"], tail)
    return _apply(rules["annotation"] + rules["head"], head) + _replace_types(_apply(rules["body"], tail))


def _apply(rules: Sequence[Rewrite], code: bytes) -> bytes:
    for rule in rules:
        code = rule.apply(code)
    return code


def _replace_types(code: bytes) -> bytes:
    """Write a zero for each type that is an argument of a macro, as in `min_t(unsigned int, a, b)`.

    Some macros also take the name of a member after the type of a structure, as `container_of(pointer, type, member)`.
    The grammar has a special case for `offsetof`, which these arguments do not match.
    """
    code = _TYPE_ARGUMENT.sub(_replace_type, code)
    return _OFFSETOF.sub(b"offsetxx", code)


def _replace_type(match: re.Match[bytes]) -> bytes:
    opening, kind, member = match["opening"], match["type"], match["member"] or b""
    if not _is_argument(match.string, match.start("opening")):
        return match[0]
    start = match.start()
    if (
        member
        and match["record"] is not None
        and not _DECLARES.search(match.string, max(0, start - _LONGEST_NAME), start)
    ):
        comma, path = match["comma"], match["path"]
        member = comma + b"0" + blank(path[1:]) + member[len(comma + path) :]
    return opening + b"0" + blank(kind[1:]) + member


def _is_argument(code: bytes, position: int) -> bool:
    """Return whether the bracket or comma at a position precedes an argument of a call, not a parameter."""
    start = max(0, position - _LONGEST_CALL)
    opening = _find_opening(code, start, position)
    if opening is None:
        return True
    callee = _CALLEE.search(code, max(start, opening - _LONGEST_NAME), opening)
    if callee is None:
        return False
    head = code[start : callee.start()]
    statement = head[max(head.rfind(mark) for mark in (b";", b"{", b"}")) + 1 :].replace(b"*", b" ").split()
    return not statement or statement[0] in _NO_TYPES or not all(_TYPE_WORD.fullmatch(word) for word in statement)


def _find_opening(code: bytes, start: int, position: int) -> int | None:
    """Return the position of the round bracket around a position, or None if it is before `start`."""
    if code[position] == ord("("):
        return position
    depth = 0
    for match in reversed(list(_BRACKET.finditer(code, start, position))):
        depth += 1 if match[0] == b"(" else -1
        if depth > 0:
            return match.start()
    return None
