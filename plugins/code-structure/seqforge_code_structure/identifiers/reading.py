"""Read a unit: rewrite and parse its compiled code, resolve its names, and find wrong statements."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from tree_sitter import Tree

from seqforge_code_structure.compiled_code import CompiledCode, read_code
from seqforge_code_structure.defects import DEEPEST_NESTING, TOO_DEEP, Defect
from seqforge_code_structure.identifiers.macros import Macros, find_declared, leave_out_bodies
from seqforge_code_structure.identifiers.names import Call, Function
from seqforge_code_structure.identifiers.parsing import TOO_MUCH_WORK, rewrite_and_parse
from seqforge_code_structure.identifiers.resolution import Resolution
from seqforge_code_structure.identifiers.statements import read_statements
from seqforge_code_structure.syntax import Captures, find_captures
from seqforge_code_structure.units import Unit, split_excerpt, split_units

LONGEST_UNIT = 1_000_000
"""Length limit of the units that are parsed, in characters. The longest functions of Linux have 40,000 characters, and
its longest tables of data have 650,000."""

_MARKED = re.compile(r"\b__\w*(?:unused|cleanup|free)|\(\s*+\(\s*+(?:unused|cleanup)\b|\[\s*+\[[^]]*maybe_unused")
_LONGEST_DECLARATION = 200
"""Number of characters before and after a name in which its declaration is read, so that the time stays linear."""
_LABEL = re.compile(r"(?<![\w.])([A-Za-z_]\w*+)[ \t]*+:")
_NAME = re.compile(r"[A-Za-z_]\w*+")
_WORD = re.compile(r"(?<![\w.])(?<!->)[A-Za-z_]\w*+")
_ASCII_WORD = re.compile(rb"(?<![\w.>])(?<!\(\()[A-Za-z_]\w*+")
_NOT_CODE = b" \t\n\r\f\v"


@dataclass(slots=True)
class UnitNames:
    """The names of a unit.

    Attributes:
        start: Position of its first character.
        stop: Position after its last character.
        refusal: Reason why the unit is not analyzed, or "".
        error: Position of the first syntax error, or None.
        keyword: The keyword at this position that is in the place of a name, or "".
        cut: Whether the end of the unit is missing.
        includes: Whether the unit includes a header.
        shared: Whether other files may use what the unit declares, since it is not `static`.
        defines: Whether the unit defines a function. This is a guess if it does not parse.
        characters: Number of characters of code, except spaces.
        unread: Number of these that do not parse.
        misplaced: Errors in statements and declarations, if the unit parses.
        calls: Calls of functions, if the unit parses.
        parameters: Name and number of parameters of each function that it defines; None if it takes any number.
        declared: Names that the unit declares outside of functions, including macros.
        possibly_declared: Names that a syntax error or a branch of the preprocessor that is not compiled may declare.
        possibly_used: Names that these, or the macros of the unit, may use.
        code: Compiled code of the text.
        rewritten: Code of the unit after the rewriting of macros.
        tree: Syntax tree of it, with positions in the text, or None if the unit is refused.
        captures: Nodes that the query finds in the tree.
    """

    start: int
    stop: int
    refusal: str = ""
    error: int | None = None
    keyword: str = ""
    cut: bool = False
    includes: bool = False
    shared: bool = True
    defines: bool = False
    characters: int = 0
    unread: int = 0
    functions: list[Function] = field(default_factory=lambda: [])
    misplaced: list[Defect] = field(default_factory=lambda: [])
    calls: list[Call] = field(default_factory=lambda: [])
    parameters: list[tuple[str, int | None]] = field(default_factory=lambda: [])
    declared: set[str] = field(default_factory=lambda: set())
    possibly_declared: set[str] = field(default_factory=lambda: set())
    possibly_used: set[str] = field(default_factory=lambda: set())
    macros: Macros = field(default_factory=Macros)
    code: bytes = b""
    rewritten: bytes = b""
    tree: Tree | None = None
    captures: Captures = field(default_factory=lambda: {})

    @property
    def parses(self) -> bool:
        """Whether the unit is analyzed and has no syntax error."""
        return not self.refusal and self.error is None


def read_units(text: str, units: Iterable[Unit]) -> list[UnitNames]:
    """Read the units of a text, except one that lacks its beginning."""
    return [read_unit(text, unit) for unit in units if unit.kind != "head"]


@lru_cache(maxsize=64)
def read_excerpt(text: str) -> list[UnitNames]:
    """Read the units of a text that may be cut at both ends. Several metrics read the same texts."""
    return read_units(text, split_excerpt(text))


def read_unit(text: str, part: Unit | None = None) -> UnitNames:
    """Parse a unit of a text, by default the whole text, and resolve its names."""
    part = part or Unit(0, len(text), "complete", depth=max(unit.depth for unit in split_units(text)))
    start, stop, compiled = part.start, part.stop, read_code(text)
    code = compiled.code[start:stop]
    head = code[: max(0, code.find(b"{"))].rstrip()
    defines = head.endswith(b")") and b";" not in head and b"=" not in head
    unit = UnitNames(start, stop, cut=part.kind == "tail", code=compiled.code, defines=defines)
    unit.shared = not code.lstrip().startswith(b"static")
    unit.characters = _count_characters(code)
    for begin, end, name, _ in compiled.find_directives(start, stop):
        unit.includes |= name.startswith("include")
        if name == "define":
            unit.macros.read(text, begin, end)
    if stop - start > LONGEST_UNIT:
        unit.refusal = f"not analyzed: longer than {LONGEST_UNIT:,} characters"
    elif part.depth > DEEPEST_NESTING:
        unit.refusal = TOO_DEEP
    else:
        _read_tree(unit, text, code, compiled)
    return unit


def _read_tree(unit: UnitNames, text: str, code: bytes, compiled: CompiledCode) -> None:
    """Parse a unit, and add to it what its tree contains."""
    start, stop = unit.start, unit.stop
    unit.rewritten, unit.tree, without_macros = rewrite_and_parse(text, code, start)
    if unit.tree is None:
        unit.refusal = TOO_MUCH_WORK
        return
    captures = unit.captures = find_captures(unit.tree.root_node)
    names = Resolution(text, unit.code)
    names.resolve(unit.tree.root_node, captures)
    unit.functions = names.scopes.functions
    unit.declared = names.scopes.declared | unit.macros.pasted.keys()
    unit.possibly_declared, unit.possibly_used = names.uncertain, names.uncertain.copy()
    if compiled.dead:
        begin = unit.functions[0].start if unit.functions else stop
        outside, inside = compiled.find_dead(text, start, begin), compiled.find_dead(text, begin, stop)
        unit.declared |= find_declared(leave_out_bodies(outside))
        unit.possibly_declared |= find_declared(inside)
        unit.possibly_used.update(_NAME.findall(outside), _NAME.findall(inside))
    for function in unit.functions:
        function.labels |= unit.possibly_used
    _mark_annotated_used(text, unit.functions)
    if names.error is not None:
        unit.keyword = names.keyword
        unit.error = min(names.error, stop - 1)
        unit.unread = sum(_count_characters(compiled.code[begin:end]) for begin, end in names.unread)
        _forgive_errors(unit, code)
        return
    unit.defines = bool(unit.functions)
    for function in unit.functions:
        function.repeated = [
            (first, again) for first, again in function.repeated if not compiled.has_condition(first.start, again.start)
        ]
    if without_macros:
        _forgive_errors(unit, code)
        return
    unit.misplaced = read_statements(compiled, captures)
    unit.calls, unit.parameters = names.calls, names.parameters
    _mark_rewritten_used(unit.functions, code, unit.rewritten)


def _forgive_errors(unit: UnitNames, code: bytes) -> None:
    """Forgive what a syntax error may hide.

    After a wrong bracket, the scopes of the rest are unreliable. Any name that seems to be declared somewhere in the
    unit counts as declared, any second occurrence of a name as its use, and any label as one of each function.
    """
    if unit.defines:
        # Declarations after a wrong bracket may seem to be outside of the function.
        unit.possibly_declared |= unit.declared
        unit.declared = set(unit.macros.pasted)
    plain = code.decode()
    unit.possibly_declared |= find_declared(plain)
    unit.possibly_declared.update(found.name for function in unit.functions for found in function.declarations)
    labels = set(_LABEL.findall(plain))
    counts = Counter(_WORD.findall(plain))
    for function in unit.functions:
        function.labels |= labels
        for found in function.declarations:
            found.used |= counts[found.name] > 1


def _mark_annotated_used(text: str, functions: Iterable[Function]) -> None:
    """Mark variables as used if an annotation permits that they are unused, or uses them at the end of their scope."""
    for function in functions:
        for declaration in function.declarations:
            if declaration.used or not declaration.variable:
                continue
            before = max(function.start, declaration.start - _LONGEST_DECLARATION)
            start = max(before, text.rfind("\n", before, declaration.start))
            stop = text.find(";", declaration.start, declaration.start + _LONGEST_DECLARATION)
            declaration.statement = text[start:stop].strip() if stop > 0 else ""
            marked = _MARKED.search(text, start, max(stop, declaration.start)) is not None
            declaration.used = marked or declaration.statement.startswith(("extern ", "__label__ "))


def _mark_rewritten_used(functions: Iterable[Function], code: bytes, rewritten: bytes) -> None:
    """Mark variables as used if the rewriting removed a use, such as the argument of a loop macro."""
    unused = [found for function in functions for found in function.declarations if found.variable and not found.used]
    if not unused or code == rewritten:
        return
    words = _ASCII_WORD.finditer(code)
    removed = {match[0].decode() for match in words if rewritten[match.start() : match.end()] != match[0]}
    for declaration in unused:
        declaration.used = declaration.name in removed


def _count_characters(code: bytes) -> int:
    return len(code.translate(None, _NOT_CODE))
