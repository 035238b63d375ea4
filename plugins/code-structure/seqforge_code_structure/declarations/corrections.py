"""Rules that correct a guess of a declaration after an error of the compiler, by the message of the error."""

import re
from collections.abc import Callable
from typing import Any

from seqforge_code_structure.compiler import CompilerError
from seqforge_code_structure.declarations.demands import Demands
from seqforge_code_structure.declarations.guesses import Shape, add_new
from seqforge_code_structure.identifiers.lexicon import is_constant

_Change = Callable[[Demands, re.Match[str], int], bool]
"""A change of the guesses by the match of a message and the position of the error. It returns whether they changed."""


def _declare_type(demands: Demands, match: re.Match[str], _position: int) -> bool:
    return add_new(demands.guesses.types, match[1], Shape())


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


def _define_record(demands: Demands, match: re.Match[str], _position: int) -> bool:
    return add_new(demands.guesses.records, match[1], dict[str, None]())


def _define_empty_macro(demands: Demands, match: re.Match[str], _position: int) -> bool:
    """Define a name that begins with an underscore as a macro without text, since it may be an annotation."""
    is_annotation = match[1].startswith("_") and match[1] not in demands.defined
    return is_annotation and add_new(demands.guesses.texts, match[1], "")


def _match_sides(kind: str) -> _Change:
    return lambda demands, match, position: demands.match_sides(position, kind, match[1], match[2])


def _demand(change: Callable[..., bool], *arguments: Any) -> _Change:
    """Return a change by a method of `Demands` that takes the position of the error, and perhaps other arguments."""
    return lambda demands, _, position: change(demands, position, *arguments)


_RECORD = r"'(?:[^']* )?((?:struct|union) \w+)'"
_RULES: dict[str, _Change] = {
    r"unknown type name '(\w+)'": _declare_type,
    r"'(\w+)' undeclared": _declare_name,
    r"'([^']*?)'(?: \{aka '(?:const )?((?:struct|union) \w+)'\})? has no member named '(\w+)'": _add_member,
    r"(?:undefined|incomplete) type " + _RECORD: _define_record,
    r"invalid type argument of '->'|request for member|is a pointer; did you mean to use '->'": _demand(
        Demands.access_member
    ),
    r"invalid type argument of unary '\*'": _demand(Demands.dereference, "pointer_expression"),
    r"subscripted value is neither": _demand(Demands.dereference, "subscript_expression"),
    r"called object": _demand(Demands.call),
    r"expected expression before": _demand(Demands.take_any_arguments),
    r"lvalue required|invalid use of void expression": _demand(Demands.make_macro),
    r"incompatible types when assigning to type '([^']*)'.* from type '([^']*)'": _match_sides("assignment_expression"),
    r"incompatible types when initializing type '([^']*)'.* using type '([^']*)'": _match_sides("init_declarator"),
    r"incompatible types when returning type '([^']*)'.* but '([^']*)'": _match_sides("return_statement"),
    r"invalid initializer": _demand(Demands.initialize_record),
    r"wrong type argument|used (?:struct|union) type value|invalid operands|aggregate value used": _demand(
        Demands.make_scalar
    ),
    r"case label does not reduce|initializer element is not|variably modified '\w+' at file scope"
    r"|not an integer constant|is not constant": _demand(Demands.make_constant),
    r"field name not in record": _demand(Demands.add_initialized_member),
    r"before '(\w+)'": _define_empty_macro,
}
"""For each pattern of a message, the change."""


def correct_guess(error: CompilerError, demands: Demands) -> bool:
    """Change a guess by the first rule that can, and return whether one changed.

    Args:
        error: Error of the compiler.
        demands: The expressions of the unit, which change the guesses.
    """
    return any(
        (match := re.search(pattern, error.message)) is not None and change(demands, match, error.start)
        for pattern, change in _RULES.items()
    )
