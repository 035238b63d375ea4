"""Infer the declarations that a unit lacks: from its syntax at first, and then from the errors of a compiler.

The idea that missing declarations follow from their uses is that of Melo et al. 2020, "Type Inference for C". Their
method solves constraints; here, a compiler reports which guess does not fit, and the guess is changed, a few times.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tree_sitter import Node, Tree

from seqforge_code_structure.compiler import CompilerError, blank_directives, diagnose
from seqforge_code_structure.declarations.demands import Demands, text_of, walk
from seqforge_code_structure.declarations.guesses import Guesses, Shape
from seqforge_code_structure.identifiers.compiled_code import blank
from seqforge_code_structure.identifiers.lexicon import is_constant
from seqforge_code_structure.identifiers.reading import parse_unit, read_unit

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
        declarations: The declarations.
        error: First error that no declaration removes, or "".
        start: Position of this error in the unit.
    """

    accepted: bool
    declarations: str
    error: str = ""
    start: int = 0


def accept_unit(text: str, compiler: Path) -> Acceptance:
    """Compile a unit with inferred declarations. Nothing is executed, and no file is read.

    Args:
        text: The unit.
        compiler: Path of gcc.
    """
    if len(text) > LONGEST_UNIT:
        return Acceptance(False, "", f"not compiled: longer than {LONGEST_UNIT:,} characters")
    if refusal := read_unit(text, 0, len(text)).refusal:
        return Acceptance(False, "", refusal)
    _, code, tree = parse_unit(text, 0, len(text))
    code = blank_directives(_blank_assembly(code, tree))
    names = _Names(tree)
    guesses = Guesses()
    names.guess(guesses)
    if match := _TOP_LEVEL_CALL.fullmatch(code):  # Such a unit is a macro, whose arguments may be anything.
        guesses.texts[f"{match['name'].decode()}(...)"] = ""
    demands = Demands(tree, guesses, names.defined)
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
        found = diagnose(declarations.encode(), code, compiler)
        if found is None:
            return Acceptance(False, declarations, "not compiled: the compiler exceeds its limits")
        errors = found
        if not errors:
            return Acceptance(True, declarations)
        changes = [_apply(error, guesses, demands, names) for error in errors]
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


class _Names:
    """The names of types and records that a unit uses, and the names that it defines."""

    def __init__(self, tree: Tree) -> None:
        self.defined: set[str] = set()
        self._types: dict[str, None] = {}
        self._records: dict[str, None] = {}
        self._enumerations: dict[str, None] = {}
        self._texts: dict[str, None] = {}
        own: set[str] = set()
        for node in walk(tree.root_node):
            kind = node.type
            if kind == "type_identifier":
                self._visit_type(node, own)
            elif kind == "concatenated_string":
                self._texts.update(dict.fromkeys(text_of(child) for child in node.named_children if _is_name(child)))
            elif kind == "function_declarator" and (name := node.child_by_field_name("declarator")) is not None:
                parent = node.parent
                if _is_name(name) and parent is not None and parent.type != "parameter_declaration":
                    self.defined.add(text_of(name))
            elif kind == "enumerator" and (name := node.child_by_field_name("name")) is not None:
                self.defined.add(text_of(name))
        self._types = {name: None for name in self._types if name not in own}
        self._records = {name: None for name in self._records if name not in own}
        self._enumerations = {name: None for name in self._enumerations if name not in own}

    def _visit_type(self, node: Node, own: set[str]) -> None:
        parent, name = node.parent, text_of(node)
        if parent is None:
            return
        keyword = {"struct_specifier": "struct", "union_specifier": "union", "enum_specifier": "enum"}.get(parent.type)
        if keyword and parent.child_by_field_name("name") == node:
            full = f"{keyword} {name}" if keyword != "enum" else name
            if parent.child_by_field_name("body") is not None:
                own.add(full)
            elif keyword == "enum":
                self._enumerations[full] = None
            else:
                self._records[full] = None
        elif _is_typedef(node):
            own.add(name)
        else:
            self._types[name] = None

    def guess(self, guesses: Guesses) -> None:
        """Add the first guesses."""
        guesses.types = {name: Shape() for name in self._types if name not in _KEYWORDS}
        guesses.records = {name: {} for name in self._records}
        guesses.enumerations = dict(self._enumerations)
        guesses.texts = {**_PREDEFINED, **dict.fromkeys(self._texts, '""')}


_PREDEFINED = {"true": "1", "false": "0", "NULL": "((void *)0)"}
_TOP_LEVEL_CALL = re.compile(rb"\s*(?:static\s+)?(?P<name>(?!asm\b)[A-Za-z_]\w*)\s*\([^{}]*\)\s*;?\s*")
_KEYWORDS = frozenset({"__auto_type", "_Bool", "__builtin_va_list", "__int128"})


def _is_name(node: Node) -> bool:
    return node.type == "identifier"


def _is_typedef(node: Node) -> bool:
    while node.parent is not None and node.parent.type.endswith("declarator"):
        node = node.parent
    parent = node.parent
    return parent is not None and parent.type == "type_definition" and parent.child_by_field_name("type") != node


_Update = Callable[[re.Match[str], CompilerError, Guesses, Demands, _Names], bool]


def _declare_type(match: re.Match[str], _: CompilerError, guesses: Guesses, *__: object) -> bool:
    return _add(guesses.types, match[1])


def _declare_name(match: re.Match[str], error: CompilerError, guesses: Guesses, demands: Demands, _: _Names) -> bool:
    name = match[1]
    if demands.is_called(name, error.start):
        return False
    if name.endswith("_t"):
        return _add(guesses.types, name)
    if is_constant(name):
        is_new = name not in guesses.constants and name not in guesses.variables
        guesses.constants[name] = None
        return is_new
    return _add(guesses.variables, name)


def _add(shapes: dict[str, Shape], name: str) -> bool:
    is_new = name not in shapes
    shapes.setdefault(name, Shape())
    return is_new


def _add_member(match: re.Match[str], _: CompilerError, guesses: Guesses, *__: object) -> bool:
    record, member = match[2] or match[1].removeprefix("const ").removeprefix("volatile "), match[3]
    members = guesses.records.get(record)
    if members is None:
        shapes = (*guesses.types.values(), *guesses.variables.values(), *guesses.functions.values())
        if not any(shape.base == record for shape in (*shapes, *guesses.members.values(), *guesses.macros.values())):
            return False  # The unit defines the structure itself.
        members = guesses.records.setdefault(record, {})
    is_new = member not in members
    members[member] = None
    return is_new


def _add_initialized_member(_: re.Match[str], error: CompilerError, __: Guesses, demands: Demands, ___: _Names) -> bool:
    return demands.initialize(error.start)


def _define_record(match: re.Match[str], _: CompilerError, guesses: Guesses, *__: object) -> bool:
    is_new = match[1] not in guesses.records
    guesses.records.setdefault(match[1], {})
    return is_new


def _blank(match: re.Match[str], _: CompilerError, guesses: Guesses, __: Demands, names: _Names) -> bool:
    name = match[1]
    if name in guesses.texts or name in names.defined or not name.startswith("_"):
        return False
    guesses.texts[name] = ""
    return True


def _constant(_: re.Match[str], error: CompilerError, __: Guesses, demands: Demands, ___: _Names) -> bool:
    return demands.make_constant(error.start)


def _demand(name: str) -> _Update:
    def update(match: re.Match[str], error: CompilerError, _: Guesses, demands: Demands, __: _Names) -> bool:
        return demands.satisfy(name, error.start, match)

    return update


_RECORD = r"'(?:[^']* )?((?:struct|union) \w+)'"
_RULES: tuple[tuple[re.Pattern[str], _Update], ...] = tuple(
    (re.compile(pattern), update)
    for pattern, update in (
        (r"unknown type name '(\w+)'", _declare_type),
        (r"'(\w+)' undeclared", _declare_name),
        (r"'([^']*?)'(?: \{aka '(?:const )?((?:struct|union) \w+)'\})? has no member named '(\w+)'", _add_member),
        (r"(?:undefined|incomplete) type " + _RECORD, _define_record),
        (r"invalid type argument of '->'", _demand("arrow")),
        (r"request for member", _demand("member")),
        (r"is a pointer; did you mean to use '->'", _demand("member")),
        (r"invalid type argument of unary '\*'", _demand("dereference")),
        (r"subscripted value is neither", _demand("subscript")),
        (r"called object", _demand("call")),
        (r"expected expression before", _demand("argument")),
        (r"lvalue required", _demand("lvalue")),
        (r"invalid use of void expression", _demand("lvalue")),
        (r"incompatible types when assigning to type '([^']*)'.* from type '([^']*)'", _demand("assign")),
        (r"incompatible types when initializing type '([^']*)'.* using type '([^']*)'", _demand("initialize")),
        (r"incompatible types when returning type '([^']*)'.* but '([^']*)'", _demand("return")),
        (r"invalid initializer", _demand("initialize-record")),
        (
            r"(?:wrong type argument|used (?:struct|union) type value|invalid operands|aggregate value used)",
            _demand("scalar"),
        ),
        (r"case label does not reduce|initializer element is not|is not an integer constant", _constant),
        (r"variably modified '\w+' at file scope|not an integer constant|is not constant", _constant),
        (r"field name not in record", _add_initialized_member),
        (r"before '(\w+)'", _blank),
    )
)


def _apply(error: CompilerError, guesses: Guesses, demands: Demands, names: _Names) -> bool:
    """Change the guesses after an error, and return whether they changed."""
    for pattern, update in _RULES:
        if (match := pattern.search(error.message)) and update(match, error, guesses, demands, names):
            return True
    return False
