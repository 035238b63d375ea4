"""Infer the declarations that a unit lacks: from its syntax at first, and then from the errors of a compiler.

The idea that missing declarations follow from their uses is that of Melo et al. 2020, "Type Inference for C". Their
method solves constraints; here, a compiler reports which guess does not fit, and the guess is changed, a few times.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tree_sitter import Tree

from seqforge_code_structure.compiled_code import blank
from seqforge_code_structure.compiler import CompilerError, blank_directives, diagnose
from seqforge_code_structure.declarations.demands import Demands, Guesses, Shape, add_new
from seqforge_code_structure.identifiers.lexicon import is_constant
from seqforge_code_structure.identifiers.reading import read_unit
from seqforge_code_structure.syntax import find_captures, list_names, order_captures, read_query, text_of, walk

ROUNDS = 15
"""Largest number of times that a unit is compiled."""

LONGEST_TIME = 10.0
"""Seconds after which a unit is not compiled again."""

LONGEST_UNIT = 50_000
"""Largest number of characters of a unit for which declarations are inferred."""


class Acceptance(NamedTuple):
    """The result for one unit.

    Attributes:
        accepted: Whether the compiler accepts the unit with the declarations.
        error: First error that no declaration removes, or "".
        start: Position of this error in the unit.
    """

    accepted: bool
    declarations: str
    error: str = ""
    start: int = 0


def accept_unit(text: str, compiler: Path) -> Acceptance:
    """Compile a unit with gcc and inferred declarations. Nothing is executed, and no file is read."""
    if len(text) > LONGEST_UNIT:
        return Acceptance(False, "", f"not compiled: longer than {LONGEST_UNIT:,} characters")
    unit = read_unit(text)
    if (tree := unit.tree) is None:
        return Acceptance(False, "", unit.refusal)
    code = blank_directives(_blank_assembly(unit.rewritten, tree))
    guesses, defined = _read_names(tree)
    if match := _TOP_LEVEL_CALL.fullmatch(code):  # Such a unit is a macro, whose arguments may be anything.
        guesses.texts[f"{match['name'].decode()}(...)"] = ""
    demands = Demands(tree, guesses, defined)
    errors: list[CompilerError] = []
    seen: set[str] = set()
    declarations = ""
    begin = time.monotonic()
    for _ in range(ROUNDS):
        if time.monotonic() - begin > LONGEST_TIME:
            break
        declarations = "\n".join(guesses.lines()) + "\n"
        if declarations in seen:  # The guesses go round in a circle.
            break
        seen.add(declarations)
        errors = diagnose(declarations.encode(), code, compiler)
        if not errors:
            return Acceptance(True, declarations)
        # Each error may change a guess before the unit is compiled again.
        changes = [correct_guess(error, demands) for error in errors]
        if not any(changes):
            break
    first = min(errors, key=lambda error: error.start, default=CompilerError("not compiled in time", 0))
    return Acceptance(False, declarations, first.message, first.start)


def _blank_assembly(code: bytes, tree: Tree) -> bytes:
    """Write a zero for each `asm`, since its literals, which are empty here, are a language of their own."""
    for node in walk(tree.root_node):
        if node.type == "gnu_asm_expression":
            inside = code[node.start_byte + 1 : node.end_byte]
            code = code[: node.start_byte] + b"0" + blank(inside) + code[node.end_byte :]
    return code


_NAMES = read_query("declarations/names.scm")
_PREDEFINED = {"true": "1", "false": "0", "NULL": "((void *)0)"}
_TOP_LEVEL_CALL = re.compile(rb"\s*(?:static\s+)?(?P<name>(?!asm\b)[A-Za-z_]\w*)\s*\([^{}]*\)\s*;?\s*")
_TYPES_OF_GCC = ("__auto_type", "_Bool", "__builtin_va_list", "__int128")
"""Types that no declaration may name."""


def _read_names(tree: Tree) -> tuple[Guesses, set[str]]:
    """Return the first guesses, of types, records and macros, and the names that the unit defines."""
    found: dict[str, dict[str, None]] = {}
    for _, _, capture, node in order_captures(find_captures(tree.root_node, _NAMES), list_names(_NAMES)):
        found.setdefault(capture, {})[text_of(node)] = None
    own = {*_TYPES_OF_GCC, *found.get("typedef", {})}
    guesses = Guesses(texts=_PREDEFINED | dict.fromkeys(found.get("string", {}), '""'))
    guesses.types = {name: Shape() for name in found.get("type", {}) if name not in own}
    for keyword in ("struct", "union"):
        names = found.get(keyword, {}).keys() - found.get(f"own_{keyword}", {}).keys()
        guesses.records |= {f"{keyword} {name}": {} for name in sorted(names)}
    guesses.enumerations = dict.fromkeys(sorted(found.get("enum", {}).keys() - found.get("own_enum", {}).keys()))
    return guesses, set(found.get("defined", {}))


_Change = Callable[[Demands, re.Match[str], int], bool]
"""A change of the guesses by the match of a message and the position of the error. It returns whether they changed."""


def _declare_name(demands: Demands, match: re.Match[str], position: int) -> bool:
    """Declare a name that is not called as a type, a constant or a variable, by its spelling."""
    name, guesses = match[1], demands.guesses
    if demands.is_called(name, position):
        return False
    if name.endswith("_t"):
        return add_new(guesses.types, name, Shape())
    if is_constant(name):
        return add_new(guesses.constants, name, None) and name not in guesses.variables
    return add_new(guesses.variables, name, Shape())


def _add_member(demands: Demands, match: re.Match[str], _position: int) -> bool:
    guesses = demands.guesses
    record, member = match[2] or match[1].removeprefix("const ").removeprefix("volatile "), match[3]
    if record not in guesses.records and all(shape.base != record for shape in guesses.shapes()):
        return False  # The unit defines the structure itself.
    return add_new(guesses.records.setdefault(record, {}), member, None)


def _demand(change: Callable[..., bool], *arguments: Any) -> _Change:
    """Return a change by a method of `Demands` that takes the position of the error, and perhaps other arguments."""
    return lambda demands, _, position: change(demands, position, *arguments)


_RECORD = r"'(?:[^']* )?((?:struct|union) \w+)'"
_RULES: dict[str, _Change] = {
    r"unknown type name '(\w+)'": lambda demands, match, _: add_new(demands.guesses.types, match[1], Shape()),
    r"'(\w+)' undeclared": _declare_name,
    r"'([^']*?)'(?: \{aka '(?:const )?((?:struct|union) \w+)'\})? has no member named '(\w+)'": _add_member,
    r"(?:undefined|incomplete) type " + _RECORD: lambda demands, match, _: add_new(
        demands.guesses.records, match[1], dict[str, None]()
    ),
    r"invalid type argument of '->'|request for member|is a pointer; did you mean to use '->'": _demand(
        Demands.access_member
    ),
    r"invalid type argument of unary '\*'": _demand(Demands.dereference, "pointer_expression"),
    r"subscripted value is neither": _demand(Demands.dereference, "subscript_expression"),
    r"called object": _demand(Demands.call),
    r"lvalue required|invalid use of void expression|expected expression before": _demand(Demands.make_macro),
    r"case label does not reduce|initializer element is not|variably modified '\w+' at file scope"
    r"|not an integer constant|is not constant": _demand(Demands.make_constant),
}
"""For each pattern of a message, the change."""


def correct_guess(error: CompilerError, demands: Demands) -> bool:
    """Change a guess by the first rule that can, and return whether one changed."""
    return any(
        (match := re.search(pattern, error.message)) is not None and change(demands, match, error.start)
        for pattern, change in _RULES.items()
    )
