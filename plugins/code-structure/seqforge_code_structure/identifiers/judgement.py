"""From names to faults: undefined, unused, returned and jumped to in vain; and how many there might have been."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.names import Function, Use
from seqforge_code_structure.identifiers.reading import UnitNames
from seqforge_code_structure.share import share


class NameFault(NamedTuple):
    """One place where names are wrong.

    Attributes:
        kind: Of `KINDS`.
        start: The first character.
        stop: One past the last.
        message: What is wrong.
    """

    kind: str
    start: int
    stop: int
    message: str


class Context(NamedTuple):
    """What a function is judged by.

    Attributes:
        lexicon: What the training text tells of names; without one, no name is undefined.
        declared: Names that the text declares outside of functions.
        mentioned: Words in directives and dead branches of the text, where uses and declarations go unseen.
    """

    lexicon: Lexicon | None
    declared: frozenset[str]
    mentioned: frozenset[str]


def _undeclared(
    function: Function, context: Context, wanted: Callable[[Lexicon, Use], bool], kind: str, message: str
) -> Iterator[NameFault]:
    """Find wanted uses of undeclared names, each name where it first stands so."""
    if context.lexicon is None:
        return
    seen: set[str] = set()
    for use in function.free:
        name = use.name
        if use.called or name in seen or not wanted(context.lexicon, use):
            continue
        seen.add(name)
        # The address of a label, `&&label`, reads as a variable.
        if name not in context.declared and name not in context.mentioned and name not in function.labels:
            yield NameFault(kind, use.start, use.start + len(name), message.format(name))


def undefined(function: Function, context: Context) -> Iterator[NameFault]:
    """Find uses of names that functions always declare, and this one does not.

    Args:
        function: The function.
        context: What it is judged by.
    """
    return _undeclared(
        function,
        context,
        lambda lexicon, use: lexicon.must_be_declared(use.name),
        "undefined",
        "undefined identifier {!r}",
    )


def undefined_novel(function: Function, context: Context) -> Iterator[NameFault]:
    """Find uses of undeclared names that the training text does not have; real code has some, too.

    Args:
        function: The function.
        context: What it is judged by.
    """
    return _undeclared(
        function,
        context,
        lambda lexicon, use: lexicon.is_novel(use.name),
        "undefined_novel",
        "undefined identifier {!r}, never seen before",
    )


def returns_undeclared(function: Function, context: Context) -> Iterator[NameFault]:
    """Find returns of undeclared names: in an expression, of those that must be declared; alone, of all but globals.

    Args:
        function: The function.
        context: What it is judged by.
    """
    return _undeclared(
        function,
        context,
        lambda lexicon, use: (
            (use.returned and lexicon.must_be_declared(use.name)) or (use.alone and lexicon.may_be_local(use.name))
        ),
        "returns_undeclared",
        "return of the undefined identifier {!r}",
    )


def unused(function: Function, context: Context) -> Iterator[NameFault]:
    """Find local variables that are never used.

    Args:
        function: The function.
        context: What it is judged by.
    """
    for declaration in function.declarations:
        name = declaration.name
        if not declaration.variable or declaration.used or name in context.mentioned or name in function.labels:
            continue
        if context.lexicon is None or not context.lexicon.may_be_used_unseen(name):
            yield NameFault("unused", declaration.start, declaration.start + len(name), f"unused variable {name!r}")


def missing_label(function: Function, context: Context) -> Iterator[NameFault]:
    """Find jumps to labels that the function does not set.

    Args:
        function: The function.
        context: What it is judged by.
    """
    for name, start in function.jumps:
        if name not in function.labels:
            yield NameFault("missing_label", start, start + len(name), f"goto without a label {name!r}")


KINDS: dict[str, Callable[[Function, Context], Iterator[NameFault]]] = {
    "undefined": undefined,
    "undefined_novel": undefined_novel,
    "returns_undeclared": returns_undeclared,
    "unused": unused,
    "missing_label": missing_label,
}
"""What is looked for in a function, by the name of its figure."""


def judge(units: Sequence[UnitNames], lexicon: Lexicon | None) -> tuple[Counter[str], list[NameFault]]:
    """Judge the complete units of one text.

    Args:
        units: The units.
        lexicon: What the training text tells of names.

    Returns:
        Counts: `units`; `parsed`, of them, those without an error of syntax; `functions`; `scored`, of them, those in
        units that parse; and by each of `KINDS`, the scored functions with such a fault. And the faults, in order.
    """
    context = Context(
        lexicon,
        frozenset[str]().union(*(unit.declared for unit in units)),
        frozenset[str]().union(*(unit.mentioned for unit in units)),
    )
    counts: Counter[str] = Counter()
    faults: list[NameFault] = []
    for unit in units:
        counts["units"] += 1
        counts["parsed"] += unit.parses
        if not unit.parses:
            counts["functions"] += unit.defines
            continue
        counts["functions"] += len(unit.functions)
        counts["scored"] += len(unit.functions)
        for function in unit.functions:
            for kind, find in KINDS.items():
                found = list(find(function, context))
                counts[kind] += bool(found)
                faults += found
    return counts, sorted(faults, key=lambda fault: (fault.start, fault.kind))


def shares(counts: Counter[str]) -> dict[str, float]:
    """Turn counts into figures.

    Args:
        counts: As `judge` gives them, of one text or of several together.

    Returns:
        `parses`, a share of the units; `coverage`, a share of the functions; and by each of `KINDS`, a share of the
        scored functions. 0 where there are none.
    """
    figures = {"parses": share(counts["parsed"], counts["units"])}
    figures["coverage"] = share(counts["scored"], counts["functions"])
    return figures | {kind: share(counts[kind], counts["scored"]) for kind in KINDS}
