"""Rules that correct a guess of a declaration after an error of the compiler, by the message of the error."""

import re
from collections.abc import Callable
from typing import NamedTuple

from seqforge_code_structure.compiler import CompilerError
from seqforge_code_structure.declarations.demands import Demands
from seqforge_code_structure.declarations.guesses import Guesses, Shape
from seqforge_code_structure.identifiers.lexicon import is_constant


class _MatchedError(NamedTuple):
    """An error of the compiler that a rule matches, and what the rule may change.

    Attributes:
        match: Match of the rule's pattern in the message.
        position: Position of the error in the unit.
        guesses: Guesses.
        demands: The expressions of the unit.
        defined: Names that the unit defines.
    """

    match: re.Match[str]
    position: int
    guesses: Guesses
    demands: Demands
    defined: set[str]


_Change = Callable[[_MatchedError], bool]
"""A change of the guesses after an error, which returns whether they changed."""


def _declare_type(error: _MatchedError) -> bool:
    return _add(error.guesses.types, error.match[1])


def _declare_name(error: _MatchedError) -> bool:
    """Declare a name that is not called as a type, a constant or a variable, by its spelling."""
    name, guesses = error.match[1], error.guesses
    if error.demands.is_called(name, error.position):
        return False
    if name.endswith("_t"):
        return _add(guesses.types, name)
    if is_constant(name):
        is_new = name not in guesses.constants and name not in guesses.variables
        guesses.constants[name] = None
        return is_new
    return _add(guesses.variables, name)


def _add(shapes: dict[str, Shape], name: str) -> bool:
    """Add a name with the most general type, and return whether it is new."""
    is_new = name not in shapes
    shapes.setdefault(name, Shape())
    return is_new


def _add_member(error: _MatchedError) -> bool:
    match, guesses = error.match, error.guesses
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


def _define_record(error: _MatchedError) -> bool:
    record, records = error.match[1], error.guesses.records
    is_new = record not in records
    records.setdefault(record, {})
    return is_new


def _define_empty_macro(error: _MatchedError) -> bool:
    """Define a name that begins with an underscore as a macro without text, since it may be an annotation."""
    name, texts = error.match[1], error.guesses.texts
    if name in texts or name in error.defined or not name.startswith("_"):
        return False
    texts[name] = ""
    return True


def _at_position(change: Callable[[Demands, int], bool]) -> _Change:
    """Return a change by a method of `Demands` that needs only the position of the error."""
    return lambda error: change(error.demands, error.position)


def _dereference(kind: str) -> _Change:
    return lambda error: error.demands.dereference(error.position, kind)


def _match_sides(kind: str) -> _Change:
    return lambda error: error.demands.match_sides(error.position, kind, error.match[1], error.match[2])


_RECORD = r"'(?:[^']* )?((?:struct|union) \w+)'"
_RULES: tuple[tuple[re.Pattern[str], _Change], ...] = tuple(
    (re.compile(pattern), change)
    for pattern, change in (
        (r"unknown type name '(\w+)'", _declare_type),
        (r"'(\w+)' undeclared", _declare_name),
        (r"'([^']*?)'(?: \{aka '(?:const )?((?:struct|union) \w+)'\})? has no member named '(\w+)'", _add_member),
        (r"(?:undefined|incomplete) type " + _RECORD, _define_record),
        (r"invalid type argument of '->'", _at_position(Demands.access_member)),
        (r"request for member", _at_position(Demands.access_member)),
        (r"is a pointer; did you mean to use '->'", _at_position(Demands.access_member)),
        (r"invalid type argument of unary '\*'", _dereference("pointer_expression")),
        (r"subscripted value is neither", _dereference("subscript_expression")),
        (r"called object", _at_position(Demands.call)),
        (r"expected expression before", _at_position(Demands.take_any_arguments)),
        (r"lvalue required", _at_position(Demands.make_macro)),
        (r"invalid use of void expression", _at_position(Demands.make_macro)),
        (
            r"incompatible types when assigning to type '([^']*)'.* from type '([^']*)'",
            _match_sides("assignment_expression"),
        ),
        (
            r"incompatible types when initializing type '([^']*)'.* using type '([^']*)'",
            _match_sides("init_declarator"),
        ),
        (r"incompatible types when returning type '([^']*)'.* but '([^']*)'", _match_sides("return_statement")),
        (r"invalid initializer", _at_position(Demands.initialize_record)),
        (
            r"(?:wrong type argument|used (?:struct|union) type value|invalid operands|aggregate value used)",
            _at_position(Demands.make_scalar),
        ),
        (
            r"case label does not reduce|initializer element is not|is not an integer constant",
            _at_position(Demands.make_constant),
        ),
        (
            r"variably modified '\w+' at file scope|not an integer constant|is not constant",
            _at_position(Demands.make_constant),
        ),
        (r"field name not in record", _at_position(Demands.add_initialized_member)),
        (r"before '(\w+)'", _define_empty_macro),
    )
)


def correct_guess(error: CompilerError, guesses: Guesses, demands: Demands, defined: set[str]) -> bool:
    """Change a guess by the first rule that can, and return whether one changed.

    Args:
        error: Error of the compiler.
        guesses: Guesses, which are changed.
        demands: The expressions of the unit, which change the same guesses.
        defined: Names that the unit defines.
    """
    for pattern, change in _RULES:
        match = pattern.search(error.message)
        if match and change(_MatchedError(match, error.start, guesses, demands, defined)):
            return True
    return False
