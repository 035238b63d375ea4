"""Parse compiled code, with limits of the parser's work, and without what only a macro can expand.

The parser of tree-sitter takes quadratic time for some texts with errors, for two reasons:

- It tries many continuations, as in `while (a) b while (a) b`. It reports its progress after every hundred operations,
  and the number of reports is limited.
- In `.a = .a = …`, it needs few operations. But at the end of the code, it compares all ways to combine the errors.
  There may be as many ways as errors, and each takes time that is linear in the length of the code. So the product of
  both is limited. The parser does not count its errors, but it logs them. The log is slow, so a part of it is read, and
  only for long code.

These are numbers of operations, so the limits are the same on every machine.

Code that does not parse is parsed again without what belongs to a macro and is no expression. The rules of
`rewrites.toml` know which arguments the macros of the Linux kernel take. A rule replaces a match by as many bytes and
keeps its line breaks, so that positions in the code remain valid. It also keeps the positions of names, since these are
read from the text by position. `remove_opaque_code` needs no such knowledge: it removes the arguments of macros that
the text itself defines, those of macros in capital letters that cannot be expressions, those of calls at the top level,
and elements of an initializer that is in another file, which includes this one. `remove_stray_macros` is the last
attempt: it removes the macros that stand beside another word or operand. They may declare or use any name.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from itertools import groupby
from typing import Any

from tree_sitter import LogType, Node, Parser, Point, Range, Tree

from seqforge_code_structure.compiled_code import blank
from seqforge_code_structure.syntax import LANGUAGE

_STRUCTURE = re.compile(rb"\b(?:struct|union)(?:\s++\w++)?\s*+\Z")


@dataclass(frozen=True)
class Rewrite:
    """A rule of the rewriting, from `rewrites.toml`, which describes its attributes and the patterns that rules use."""

    hints: tuple[bytes, ...]
    pattern: bytes
    by: bytes

    def apply(self, code: bytes) -> bytes:
        """Return the code in which every match is replaced."""
        for hint in self.hints:
            if hint in code:
                return self._compiled.sub(self._replace, code)
        return code

    @cached_property
    def _compiled(self) -> re.Pattern[bytes]:
        """The pattern, compiled when code contains one of the hints, so that the command starts quickly."""
        return re.compile(self.pattern, re.MULTILINE)

    def _replace(self, match: re.Match[bytes]) -> bytes:
        whole, begin = match[0], match.start()
        start, stop = match.span("name" if "name" in match.re.groupindex else 0)
        replaced = whole[start - begin : stop - begin]
        if len(replaced.partition(b"\n")[0]) < len(self.by):
            return whole
        return whole[: start - begin] + self.by + blank(replaced[len(self.by) :]) + whole[stop - begin :]


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

_NAME_OF_MACRO = rb"\b" + _PATTERNS["MACRO"].encode() + rb"\b"


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


FEWEST_REPORTS = 1_000
"""Number of reports of progress for which all code may be parsed, also short code that needs many."""

REPORTS_PER_CHARACTER = 0.1
"""Number of further reports for each character. Units of Linux need at most a quarter of them."""

MOST_ERROR_CHARACTERS = 100_000_000
"""Limit of the product of the number of errors and the number of characters. Units of Linux need at most a fifth of it,
after the rewriting."""

SHORTEST_LOGGED = 10_000
"""Length of the shortest code whose errors are counted, in characters. Shorter code stays below the limit, since it has
at most about one error for each character."""

LOGGED_REPORTS = 32
"""Number of reports of progress for which the operations before one report are logged."""

LONGEST_SEARCH = 10_000
"""Number of nodes without a name that may follow each other. A query needs a tenth of a second for them."""

TOO_MUCH_WORK = "not analyzed: its errors take the parser too long"


_PARSER = Parser(LANGUAGE)

_PIECE = 1024
"""Number of bytes that the parser reads at once."""


class Work:
    """A count of the work of a parser on code of the given length.

    Attributes:
        reports: Number of reports of progress.
        errors: Number of errors in the part of the log that is read.
    """

    def __init__(self, parser: Parser, length: int) -> None:
        self.reports = 0
        self.errors = 0
        self._parser, self._length = parser, length
        self._most_reports = FEWEST_REPORTS + REPORTS_PER_CHARACTER * length

    def report(self, _position: int, _has_error: bool) -> bool:
        """Count a report of progress, and return whether the work is too much."""
        self.reports += 1
        if self._length >= SHORTEST_LOGGED:
            if self.reports % LOGGED_REPORTS == 0:
                self._parser.logger = self._read_log
            else:
                del self._parser.logger
        return self.reports > self._most_reports or LOGGED_REPORTS * self.errors * self._length > MOST_ERROR_CHARACTERS

    def _read_log(self, _kind: LogType, message: str) -> None:
        self.errors += message.startswith("detect_error")


def parse_code(code: bytes, start: int = 0) -> Tree | None:
    """Parse code as it is. Return None if the parser, or a query of its tree, needs too many operations.

    Args:
        code: The code.
        start: Position of its first character in the text, in which the positions of the tree are.
    """
    parser = _PARSER
    parser.included_ranges = [Range(Point(0, 0), Point(0, 0), start, start + len(code))]

    def read(position: int, _: Point) -> bytes:
        # In pieces, since the text of each node is read in this way, too.
        return code[position - start : position - start + _PIECE]

    try:
        # The parser reports its progress only if it reads the code from a function.
        tree = parser.parse(read, progress_callback=Work(parser, len(code)).report)
    except ValueError:
        parser.reset()
        return None
    finally:
        if len(code) >= SHORTEST_LOGGED:
            del parser.logger
    return None if _takes_queries_long(tree.root_node) else tree


def _takes_queries_long(root: Node) -> bool:
    """Return whether the parser gave up at the end of long code, such as `int` and many `*`.

    For each node without a name, a query searches the next one that has a name, which takes quadratic time.
    """
    if root.type != "ERROR" or root.child_count <= LONGEST_SEARCH:
        return False
    nameless = (len([*run]) for is_named, run in groupby(root.children, lambda node: node.is_named) if not is_named)
    return sum(length**2 for length in nameless) > LONGEST_SEARCH**2


def rewrite_and_parse(text: str, code: bytes, start: int) -> tuple[bytes, Tree | None, bool]:
    """Return the code of a unit as it is parsed, its syntax tree, and whether it parses only without stray macros.

    The tree is None if the parser needs too many operations. Most code parses without the rules that repair it, and
    these take longer than the parser.

    Args:
        text: The text that contains the unit.
        code: The compiled code of the unit.
        start: Position of the unit in the text.
    """
    rewritten = rewrite(code)
    balanced = _is_balanced(rewritten)
    tree = parse_code(rewritten, start) if balanced else None
    if tree and not tree.root_node.has_error:
        return rewritten, tree, False
    repaired = repair(rewritten)
    if repaired != rewritten or not balanced:
        tree = parse_code(repaired, start)
    if tree is None or tree.root_node.has_error:
        simpler = remove_opaque_code(repaired, find_macros(text))
        for other in (simpler, remove_stray_macros(rewritten), remove_stray_macros(simpler)):
            found = parse_code(other, start) if other != repaired and _is_balanced(other) else None
            if found and not found.root_node.has_error:
                return other, found, other is not simpler
    return repaired, tree, False


def _is_balanced(code: bytes) -> bool:
    """Return whether code has as many opening as closing brackets of each kind, without which it does not parse."""
    count = code.count
    return count(b"(") == count(b")") and count(b"{") == count(b"}") and count(b"[") == count(b"]")


_DEFINITION = re.compile(r"^[ \t]*+#[ \t]*+define[ \t]++([A-Za-z_]\w*+)\(", re.MULTILINE)
_ELEMENTS = re.compile(rb"\s*+(?:\{|[A-Z_]\w*+\()[\s\S]*,\s*+\Z")
_ALONE = re.compile(rb"\s*+[A-Za-z_]\w*+[ \t]*+(?P<arguments>" + ARGUMENTS + rb")[;\s]*+")
_FUNCTION = re.compile(rb"\A\s*+(?:static\s++)?int x\s*+(?P<arguments>" + ARGUMENTS + rb")(?=\s*+\{)")
"""A function that a macro defines, after the rewriting."""
_NEXT = re.compile(rb"\s*+[\w{}!~\"]")
_LONGEST_LINE = 80
"""Number of characters in which the end of a statement is searched for, so that the time stays linear."""


_NO_EXPRESSION = re.compile(rb",\s*+\)|[;{}]|[(,]\s*+\.\w++\s*+=|\)\s*+\"|\b(?:goto|return|if|for|while)\b")


@lru_cache(maxsize=1)  # All units of a text need the same macros.
def find_macros(text: str) -> re.Pattern[bytes]:
    """Return a pattern of the calls of macros: those that a text defines, and names in capital letters."""
    own = sorted({name.encode() for name in _DEFINITION.findall(text) if name.isascii()})
    names = rb"(?P<own>" + (b"|".join(own) or b"(?!)") + rb")\b|" + _NAME_OF_MACRO
    return re.compile(rb"\b(?:" + names + rb")[ \t]*+(?P<arguments>" + ARGUMENTS + rb")")


def remove_opaque_code(code: bytes, macros: re.Pattern[bytes]) -> bytes:
    """Return the code of a unit in which what belongs to macros and is no expression is replaced by spaces.

    `macros` is the pattern of their calls, from `find_macros`.
    """
    if _ELEMENTS.match(code):
        return blank(code)
    if alone := _ALONE.fullmatch(code):
        return _remove_arguments(alone)
    return macros.sub(_remove_call, _FUNCTION.sub(_remove_arguments, code))


def _remove_call(call: re.Match[bytes]) -> bytes:
    """Return spaces for the arguments, and for the whole call before another word: it is a statement or annotation."""
    code, start = call.string, call.start()
    if not call["own"]:
        return _remove_arguments(call) if _NO_EXPRESSION.search(call["arguments"]) else call[0]
    if not _NEXT.match(code, call.end()):
        return _remove_arguments(call)
    # The statement of a loop or condition needs a semicolon.
    controlled = code[max(0, start - _LONGEST_LINE) : start].rstrip().endswith((b")", b"else"))
    return b";" * controlled + blank(call[0][controlled:])


def _remove_arguments(call: re.Match[bytes]) -> bytes:
    start, stop = (place - call.start() for place in call.span("arguments"))
    return call[0][: start + 1] + blank(call[0][start + 1 : stop - 1]) + call[0][stop - 1 :]


_MACRO = re.compile(_NAME_OF_MACRO + rb"(?P<arguments>\s*+" + ARGUMENTS + rb")?+(?=\s*+(?P<next>[\w\";]?))")
_ONLY_MACROS = re.compile(rb"(?:\s*+" + _MACRO.pattern + rb")++\s*+")
_LAST_WORD = re.compile(rb"(?<!\w)\w++\Z")
_BEFORE_OPERAND = frozenset((b"return", b"case", b"goto", b"sizeof", b"else", b"do"))
_BEFORE_NAME = frozenset(b"struct union enum unsigned signed long short int char void float double".split())


def remove_stray_macros(code: bytes) -> bytes:
    """Return the code of a unit without macros beside another word or operand, where C has room for one of them only.

    Such macros are annotations, strings, or statements that end in a semicolon of their own.
    """
    if _ONLY_MACROS.fullmatch(code):
        return blank(code)
    body = code.find(b"{")

    def remove(macro: re.Match[bytes]) -> bytes:
        return blank(macro[0]) if _is_stray(macro, 0 <= body < macro.start()) else macro[0]

    return _MACRO.sub(remove, code)


def _is_stray(macro: re.Match[bytes], in_body: bool) -> bool:
    start = macro.start()
    line = macro.string[max(0, start - _LONGEST_LINE) : start]
    before, before_word = line.rstrip(), macro["next"].strip(b";") != b""
    if in_body and macro["arguments"] and macro["next"] == b";" and b"\n" in line[len(before) :]:
        return False  # A statement, before which a semicolon is missing.
    if (word := _LAST_WORD.search(before)) is not None:
        return before_word if word[0] in _BEFORE_NAME else word[0] not in _BEFORE_OPERAND
    return before.endswith((b")", b"]", b"}", b'"', b"'")) or (before_word and before[-1:] in b";{(,")
