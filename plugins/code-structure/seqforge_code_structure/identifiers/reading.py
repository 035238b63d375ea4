"""From a unit of a text to its names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from tree_sitter import Parser, Tree

from seqforge_code_structure.identifiers.grammar import LANGUAGE
from seqforge_code_structure.identifiers.limits import DEEPEST_TREE, LONGEST_UNIT
from seqforge_code_structure.identifiers.names import Function
from seqforge_code_structure.identifiers.normalisation import normalised
from seqforge_code_structure.identifiers.plain import plain
from seqforge_code_structure.identifiers.walk import TooDeepError, Walk
from seqforge_code_structure.limits import DEEPEST_NESTING

_MARKED = re.compile(r"\b__\w*(?:unused|cleanup|free)")
_LONGEST_DECLARATION = 200
_HEAD = re.compile(rb"^[A-Za-z_][^\n=;({[]*+", re.MULTILINE)


@dataclass(slots=True)
class UnitNames:
    """What a unit does with names.

    Attributes:
        start: Its first character in the text.
        stop: One past its last.
        refusal: Why it was not analysed; "" where it was.
        error: The first character that does not parse, in the text; None where all parses.
        defines: Whether it defines a function, as far as can be told where it does not parse.
        functions: Its functions.
        declared: Names that it declares outside of functions, macros included.
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
        """Whether it was analysed and holds no error of syntax."""
        return not self.refusal and self.error is None


@cache
def _parser() -> Parser:
    return Parser(LANGUAGE)


def read_unit(text: str, start: int, stop: int) -> UnitNames:
    """Parse a unit, and resolve its names.

    Args:
        text: The whole text.
        start: The unit's first character.
        stop: One past its last.
    """
    if stop - start > LONGEST_UNIT:
        return UnitNames(start, stop, f"not analysed: longer than {LONGEST_UNIT:,} characters")
    code, defined, mentioned, hidden_labels = plain(text[start:stop])
    unit = UnitNames(start, stop, defines=_looks_like_definition(code), declared=defined, mentioned=mentioned)
    if _deepest(code) > DEEPEST_NESTING:
        unit.refusal = f"not analysed: nested deeper than {DEEPEST_NESTING}"
        return unit
    rewritten = normalised(code)
    tree = _parser().parse(rewritten)
    walk = Walk(text, rewritten, start)
    try:
        walk.run(tree)
    except TooDeepError:
        unit.refusal = f"not analysed: nested deeper than {DEEPEST_TREE:,}"
        return unit
    unit.functions = walk.scopes.functions
    for function in unit.functions:
        function.labels |= hidden_labels
    _forgive_marked(text, unit.functions)
    unit.declared |= walk.scopes.declared
    if tree.root_node.has_error:
        unit.error = min(start + _first_error(tree), stop - 1)
        unit.declared |= _names_of_heads(code)
    else:
        unit.defines = bool(unit.functions)
    return unit


def _looks_like_definition(code: bytes) -> bool:
    head = code[: max(0, code.find(b"{"))].rstrip()
    return head.endswith(b")") and b";" not in head and b"=" not in head


def _names_of_heads(code: bytes) -> set[str]:
    """Guess what code that does not parse declares: the last word of what begins in column 0, up to `(`, `=` or `;`."""
    words = (head.split()[-1].lstrip(b"*") for head in _HEAD.findall(code))
    return {word.decode() for word in words if word}


def _forgive_marked(text: str, functions: Iterable[Function]) -> None:
    """Take variables for used whose declaration says that they need not be, or that they are when they go."""
    for function in functions:
        for declaration in function.declarations:
            if declaration.used or not declaration.variable:
                continue
            before = max(function.start, declaration.start - _LONGEST_DECLARATION)
            start = max(before, text.rfind("\n", before, declaration.start))
            stop = text.find(";", declaration.start, declaration.start + _LONGEST_DECLARATION)
            declaration.used = _MARKED.search(text, start, max(stop, declaration.start)) is not None


_BRACKETS = bytes(set(range(256)) - set(b"()[]{}"))


def _deepest(code: bytes) -> int:
    """Count how deep brackets nest, of whatever kind; too much where they do not balance."""
    depth = deepest = 0
    for bracket in code.translate(None, _BRACKETS):
        if bracket in b"([{":
            depth += 1
            deepest = max(depth, deepest)
        else:
            depth = max(0, depth - 1)
    return deepest


def _first_error(tree: Tree) -> int:
    """Find where the parser first met what it did not expect."""
    cursor = tree.walk()
    while (node := cursor.node) and not node.is_error and not node.is_missing:
        if node.has_error and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return 0
    return node.start_byte if node else 0
