"""Errors of identifiers in functions: undefined names, unused variables, and jumps to labels that are not defined."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.names import Function, Use
from seqforge_code_structure.identifiers.reading import UnitNames


class NameDefect(NamedTuple):
    """An error of an identifier.

    Attributes:
        kind: A key of `CHECKS`.
        start: Its first character.
        stop: Its end position.
        message: Description of the error.
    """

    kind: str
    start: int
    stop: int
    message: str


class Context(NamedTuple):
    """What the checks of a function need to know about the text around it.

    Attributes:
        lexicon: Lexicon of the training text; without one, no name counts as undefined.
        declared: Names that the text declares outside of functions.
        mentioned: Words in directives and dead branches of the text, where uses and declarations are not analyzed.
    """

    lexicon: Lexicon | None
    declared: frozenset[str]
    mentioned: frozenset[str]


def _find_undeclared(
    function: Function, context: Context, applies: Callable[[Lexicon, Use], bool], kind: str, message: str
) -> Iterator[NameDefect]:
    """Find the first use of each undeclared name to which a condition applies."""
    if context.lexicon is None:
        return
    seen: set[str] = set()
    for use in function.free:
        name = use.name
        if use.called or name in seen or not applies(context.lexicon, use):
            continue
        seen.add(name)
        # The address of a label, `&&label`, parses as a variable.
        if name not in context.declared and name not in context.mentioned and name not in function.labels:
            yield NameDefect(kind, use.start, use.start + len(name), message.format(name))


def find_undefined(function: Function, context: Context) -> Iterator[NameDefect]:
    """Find uses of undeclared names that functions of the training text always declare."""
    return _find_undeclared(
        function,
        context,
        lambda lexicon, use: lexicon.must_be_declared(use.name),
        "undefined",
        "undefined identifier {!r}",
    )


def find_undefined_novel(function: Function, context: Context) -> Iterator[NameDefect]:
    """Find uses of undeclared names that the training text does not contain; real code has some, too."""
    return _find_undeclared(
        function,
        context,
        lambda lexicon, use: lexicon.is_novel(use.name),
        "undefined_novel",
        "undefined identifier {!r}, which the training text does not contain",
    )


def find_undeclared_returns(function: Function, context: Context) -> Iterator[NameDefect]:
    """Find returns of undeclared names.

    In an expression, these are names that functions always declare. Alone, these are all names except known globals.
    """
    return _find_undeclared(
        function,
        context,
        lambda lexicon, use: (
            (use.returned and lexicon.must_be_declared(use.name)) or (use.alone and lexicon.may_be_local(use.name))
        ),
        "returns_undeclared",
        "return of the undefined identifier {!r}",
    )


def find_unused(function: Function, context: Context) -> Iterator[NameDefect]:
    """Find local variables that are never used."""
    for declaration in function.declarations:
        name = declaration.name
        if not declaration.variable or declaration.used or name in context.mentioned or name in function.labels:
            continue
        if context.lexicon is None or not context.lexicon.may_be_used_by_macros(name):
            yield NameDefect("unused", declaration.start, declaration.start + len(name), f"unused variable {name!r}")


def find_missing_labels(function: Function, context: Context) -> Iterator[NameDefect]:
    """Find jumps to labels that the function does not define."""
    for name, start in function.jumps:
        if name not in function.labels:
            yield NameDefect("missing_label", start, start + len(name), f"goto to the undefined label {name!r}")


CHECKS: dict[str, Callable[[Function, Context], Iterator[NameDefect]]] = {
    "undefined": find_undefined,
    "undefined_novel": find_undefined_novel,
    "returns_undeclared": find_undeclared_returns,
    "unused": find_unused,
    "missing_label": find_missing_labels,
}
"""Checks of a function, by the name of the metric's value."""


def check_names(units: Sequence[UnitNames], lexicon: Lexicon | None) -> tuple[Counter[str], list[NameDefect]]:
    """Check the complete units of a text. Without a lexicon, no name counts as undefined.

    Returns:
        Counts and, in the order of the text, the errors. The counts are `units`; `parsed`, the units without a syntax
        error; `functions`; `scored`, the functions in units that parse; and for each of `CHECKS`, the scored functions
        with such an error.
    """
    context = Context(
        lexicon,
        frozenset[str]().union(*(unit.declared for unit in units)),
        frozenset[str]().union(*(unit.mentioned for unit in units)),
    )
    counts: Counter[str] = Counter()
    defects: list[NameDefect] = []
    for unit in units:
        counts["units"] += 1
        counts["parsed"] += unit.parses
        if not unit.parses:
            counts["functions"] += unit.defines
            continue
        counts["functions"] += len(unit.functions)
        counts["scored"] += len(unit.functions)
        for function in unit.functions:
            for kind, find in CHECKS.items():
                found = list(find(function, context))
                counts[kind] += bool(found)
                defects += found
    return counts, sorted(defects, key=lambda defect: (defect.start, defect.kind))
