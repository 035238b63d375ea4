"""Read the names of a unit: extract its compiled code, rewrite and parse it, and resolve its names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from tree_sitter import Parser, Tree

from seqforge_code_structure.defects import DEEPEST_NESTING, TOO_DEEP
from seqforge_code_structure.identifiers.compiled_code import extract_compiled_code
from seqforge_code_structure.identifiers.grammar import LANGUAGE
from seqforge_code_structure.identifiers.names import Function
from seqforge_code_structure.identifiers.rewriting import rewrite
from seqforge_code_structure.identifiers.walk import DEEPEST_TREE, TooDeepError, Walk
from seqforge_code_structure.units import split_units

LONGEST_UNIT = 500_000
"""Length limit of the units that are parsed, in characters. In kernel, mm, lib, fs and drivers/net of Linux 6.12, the
longest function has 37,206 characters, and the longest table of data 441,188."""

_MARKED = re.compile(r"\b__\w*(?:unused|cleanup|free)")
_LONGEST_DECLARATION = 200
_HEAD = re.compile(rb"^[A-Za-z_][^\n=;({[]*+", re.MULTILINE)


@dataclass(slots=True)
class UnitNames:
    """The names of a unit.

    Attributes:
        start: Position of its first character.
        stop: Position after its last character.
        refusal: Reason why the unit is not analyzed, or "".
        error: Position of the first syntax error, or None.
        defines: Whether the unit defines a function. This is a guess if it does not parse.
        functions: Functions of the unit.
        declared: Names that the unit declares outside of functions, including macros.
        mentioned: Words in its directives and dead branches.
    """

    start: int
    stop: int
    refusal: str = ""
    error: int | None = None
    defines: bool = False
    functions: list[Function] = field(default_factory=list[Function])
    declared: set[str] = field(default_factory=set[str])
    mentioned: set[str] = field(default_factory=set[str])

    @property
    def parses(self) -> bool:
        """Whether the unit is analyzed and has no syntax error."""
        return not self.refusal and self.error is None


@cache
def _create_parser() -> Parser:
    return Parser(LANGUAGE)


def read_units(text: str, *, beginning_missing: bool = False, end_missing: bool = False) -> list[UnitNames]:
    """Read the complete units of a text, divided by `split_units`."""
    units = split_units(text, beginning_missing=beginning_missing, end_missing=end_missing)
    return [read_unit(text, unit.start, unit.stop) for unit in units if unit.kind == "complete"]


def read_unit(text: str, start: int, stop: int) -> UnitNames:
    """Parse the unit between two positions of a text, and resolve its names."""
    if stop - start > LONGEST_UNIT:
        return UnitNames(start, stop, f"not analyzed: longer than {LONGEST_UNIT:,} characters")
    code, defined, mentioned, hidden_labels = extract_compiled_code(text[start:stop])
    unit = UnitNames(start, stop, defines=_looks_like_definition(code), declared=defined, mentioned=mentioned)
    if _measure_depth(code) > DEEPEST_NESTING:
        unit.refusal = TOO_DEEP
        return unit
    rewritten = rewrite(code)
    tree = _create_parser().parse(rewritten)
    walk = Walk(text, rewritten, start)
    try:
        walk.run(tree)
    except TooDeepError:
        unit.refusal = f"not analyzed: nested deeper than {DEEPEST_TREE:,}"
        return unit
    unit.functions = walk.scopes.functions
    for function in unit.functions:
        function.labels |= hidden_labels
    _mark_annotated_used(text, unit.functions)
    unit.declared |= walk.scopes.declared
    if tree.root_node.has_error:
        unit.error = min(start + _find_first_error(tree), stop - 1)
        unit.declared |= _guess_declared(code)
    else:
        unit.defines = bool(unit.functions)
    return unit


def _looks_like_definition(code: bytes) -> bool:
    head = code[: max(0, code.find(b"{"))].rstrip()
    return head.endswith(b")") and b";" not in head and b"=" not in head


def _guess_declared(code: bytes) -> set[str]:
    """Guess the names that code with a syntax error declares, from the lines that begin with a word in column 0."""
    words = (head.split()[-1].lstrip(b"*") for head in _HEAD.findall(code))
    return {word.decode() for word in words if word}


def _mark_annotated_used(text: str, functions: Iterable[Function]) -> None:
    """Mark variables as used if an annotation permits that they are unused, or uses them at the end of their scope."""
    for function in functions:
        for declaration in function.declarations:
            if declaration.used or not declaration.variable:
                continue
            before = max(function.start, declaration.start - _LONGEST_DECLARATION)
            start = max(before, text.rfind("\n", before, declaration.start))
            stop = text.find(";", declaration.start, declaration.start + _LONGEST_DECLARATION)
            declaration.used = _MARKED.search(text, start, max(stop, declaration.start)) is not None


_NO_BRACKETS = bytes(set(range(256)) - set(b"()[]{}"))


def _measure_depth(code: bytes) -> int:
    """Return the largest depth of nested brackets. Any closing bracket counts as the match of the innermost one."""
    depth = deepest = 0
    for bracket in code.translate(None, _NO_BRACKETS):
        if bracket in b"([{":
            depth += 1
            deepest = max(depth, deepest)
        else:
            depth = max(0, depth - 1)
    return deepest


def _find_first_error(tree: Tree) -> int:
    """Return the position of the first syntax error."""
    cursor = tree.walk()
    while (node := cursor.node) and not node.is_error and not node.is_missing:
        if node.has_error and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return 0
    return node.start_byte if node else 0
