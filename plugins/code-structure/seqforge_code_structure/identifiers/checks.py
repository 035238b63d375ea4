"""Find name errors in functions: undefined names, unused variables, and jumps to labels that are not defined."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.names import Function, Use
from seqforge_code_structure.identifiers.reading import UnitNames


class NameDefect(NamedTuple):
    """A name error.

    Attributes:
        kind: Kind of the error, a key of `CHECKS`.
        start: Position of the first character of the name.
        stop: Position after its last character.
        message: Description of the error.
    """

    kind: str
    start: int
    stop: int
    message: str


class Context(NamedTuple):
    """The text around a function, as far as its checks depend on it.

    Attributes:
        lexicon: Lexicon of the training text. If it is None, no name counts as undefined.
        declared: Names that the text declares outside of functions.
        mentioned: Words in directives and dead branches of the text, where uses and declarations are not analyzed.
    """

    lexicon: Lexicon | None
    declared: frozenset[str]
    mentioned: frozenset[str]


UNDECLARED_RULES: dict[str, tuple[Callable[[Lexicon, Use], bool], str]] = {
    # Functions of the training text always declare the name.
    "undefined": (lambda lexicon, use: lexicon.must_be_declared(use.name), "undefined identifier {!r}"),
    # The training text does not contain the name. Correct code has such names, too.
    "undefined_novel": (
        lambda lexicon, use: lexicon.is_novel(use.name),
        "undefined identifier {!r}, which the training text does not contain",
    ),
    # The function returns an expression with a name that must be declared, or a single name that is no known global.
    "returns_undeclared": (
        lambda lexicon, use: (
            (use.returned and lexicon.must_be_declared(use.name)) or (use.alone and lexicon.may_be_local(use.name))
        ),
        "return of the undefined identifier {!r}",
    ),
}
"""For each kind of error, the condition on the use of an undeclared name, and the message."""


def find_undeclared(kind: str, function: Function, context: Context) -> Iterator[NameDefect]:
    """Find the first use of each undeclared name to which the rule of a kind applies."""
    if context.lexicon is None:
        return
    applies, message = UNDECLARED_RULES[kind]
    seen: set[str] = set()
    for use in function.free:
        name = use.name
        if use.called or name in seen or not applies(context.lexicon, use):
            continue
        seen.add(name)
        # The address of a label, `&&label`, parses as a variable.
        if name not in context.declared and name not in context.mentioned and name not in function.labels:
            yield NameDefect(kind, use.start, use.start + len(name), message.format(name))


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
    **{kind: partial(find_undeclared, kind) for kind in UNDECLARED_RULES},
    "unused": find_unused,
    "missing_label": find_missing_labels,
}
"""Checks of a function, by the name of the metric's value."""


def check_names(units: Sequence[UnitNames], lexicon: Lexicon | None) -> tuple[Counter[str], list[NameDefect]]:
    """Check the complete units of a text. Without a lexicon, no name counts as undefined.

    Returns:
        The counts, and the errors in the order of the text. The counts are `units`; `parsed`, the units without a
        syntax error; `functions`; `scored`, the functions in parsed units; and for each key of `CHECKS`, the scored
        functions with such an error.
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
