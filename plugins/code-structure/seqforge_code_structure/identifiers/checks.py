"""Find name errors in functions: undefined names, unused variables, and jumps to labels that are not defined."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from seqforge_code_structure.identifiers.lexicon import Lexicon, is_constant
from seqforge_code_structure.identifiers.macros import Macros
from seqforge_code_structure.identifiers.names import Function, Use
from seqforge_code_structure.identifiers.reading import UnitNames

PREDEFINED = frozenset(
    [
        "__func__",
        "__FUNCTION__",
        "__PRETTY_FUNCTION__",
        "true",
        "false",
        "nullptr",
        "errno",
        "stdin",
        "stdout",
        "stderr",
        "environ",
        "optarg",
        "optind",
        "asm",
        "__asm__",
        "scope",
        "typeof",
        "__typeof__",
        "__typeof",
        "typeof_unqual",
        "sizeof",
        "alignof",
        "_Alignof",
        "offsetof",
        "defined",
        "this_module",
    ]
)
"""Names that C, its compilers, its library or the kernel define, and that no file declares."""


class NameDefect(NamedTuple):
    """A name error.

    Attributes:
        kind: Kind of the error, one of `KINDS`.
        start: Position of the first character of the name.
        stop: Position after its last character.
        message: Description of the error.
    """

    kind: str
    start: int
    stop: int
    message: str


@dataclass(frozen=True, slots=True)
class Context:
    """The text around a function, as far as its checks depend on it.

    Attributes:
        lexicon: Lexicon of the training text. If it is None, only a strict check finds undefined names.
        strict: Whether every name must be declared by the text, except names of called functions and constants.
        whole: Whether the text is a whole file, which contains the declarations of its own global names.
        complete: Whether it is whole and includes no headers, which could declare other names.
        declared: Names that the text declares outside of functions.
        locals: Names that functions of the text declare.
        macros: Macros of the text.
    """

    lexicon: Lexicon | None
    strict: bool = False
    whole: bool = False
    complete: bool = False
    declared: set[str] = field(default_factory=set[str])
    locals: set[str] = field(default_factory=set[str])
    macros: Macros = field(default_factory=Macros)

    def add(self, unit: UnitNames) -> None:
        """Add the names of a unit."""
        self.declared.update(unit.declared)
        self.locals.update([found.name for function in unit.functions for found in function.declarations])
        self.macros.update(unit.macros)

    def add_macro_declarations(self) -> None:
        """Add the names that the bodies of macros declare."""
        for macro in self.macros.by_name.values():
            self.declared.update(macro.declared)

    def is_undefined(self, use: Use) -> bool:
        """Return whether the use of a name that no declaration is found for is an error."""
        name, lexicon = use.name, self.lexicon
        if self.strict:
            return True
        if lexicon is None:
            return False
        if lexicon.must_be_declared(name, argument=bool(use.callee), whole=self.whole):
            return True
        if name in self.locals and lexicon.is_mostly_local(name):
            return True
        return self.complete and lexicon.is_novel(name)

    def is_novel(self, use: Use) -> bool:
        """Return whether the training text does not contain a name. Correct code has such names, too."""
        return self.lexicon is not None and self.lexicon.is_novel(use.name)

    def is_undefined_return(self, use: Use) -> bool:
        """Return whether a function returns an undefined name, or a single name that is no known global."""
        if not use.returned:
            return False
        # A name with capital letters may be a constant of a header.
        alone = use.alone and use.name.islower() and self.lexicon is not None and self.lexicon.may_be_local(use.name)
        return alone or self.is_undefined(use)

    def excuses(self, use: Use) -> bool:
        """Return whether a name is an argument that a macro pastes, or declares."""
        if not use.callee:
            return False
        if use.callee in self.macros.by_name:
            return self.macros.paste(use.callee, use.argument)
        if self.lexicon is None:
            return is_constant(use.callee)
        if is_constant(use.callee):
            return not self.lexicon.evaluates_arguments(use.callee)
        return self.lexicon.pastes_arguments(use.callee)


UNDECLARED_RULES: dict[str, tuple[Callable[[Context, Use], bool], str]] = {
    "undefined": (Context.is_undefined, "undefined identifier {!r}"),
    "undefined_novel": (Context.is_novel, "undefined identifier {!r}, which the training text does not contain"),
    "returns_undeclared": (Context.is_undefined_return, "return of the undefined identifier {!r}"),
}
"""For each kind of error, the condition on the use of an undeclared name, and the message."""


def find_undeclared(function: Function, unit: UnitNames, context: Context) -> Iterator[NameDefect]:
    """Find the first use of each undeclared name, and yield an error for each kind whose rule applies to it."""
    if context.lexicon is None and not context.strict:
        return
    seen: set[tuple[str, str]] = set()
    for use in _find_candidates(function, unit, context):
        for kind, (applies, message) in UNDECLARED_RULES.items():
            if (kind, use.name) not in seen and applies(context, use):
                seen.add((kind, use.name))
                yield NameDefect(kind, use.start, use.start + len(use.name), message.format(use.name))


def _find_candidates(function: Function, unit: UnitNames, context: Context) -> Iterator[Use]:
    """Yield the uses of names that nothing declares."""
    declared_by_macros = {
        use.name
        for use in function.free
        if use.callee
        and (macro := context.macros.by_name.get(use.callee))
        and use.argument in macro.declared_parameters
    }
    for use in function.free:
        name = use.name
        if use.called or is_constant(name) or context.excuses(use):
            continue
        if not any(
            name in names for names in (context.declared, unit.possibly_declared, declared_by_macros, PREDEFINED)
        ):
            yield use


def find_unused(function: Function, unit: UnitNames, context: Context) -> Iterator[NameDefect]:
    """Find local variables that are never used."""
    if unit.cut:
        return
    for declaration in function.declarations:
        name = declaration.name
        if not declaration.variable or declaration.used:
            continue
        if name in unit.possibly_used or name in context.macros.used:
            continue
        if context.lexicon is None or not context.lexicon.may_be_used_by_macros(name):
            yield NameDefect("unused", declaration.start, declaration.start + len(name), f"unused variable {name!r}")


def find_missing_labels(function: Function, unit: UnitNames, context: Context) -> Iterator[NameDefect]:
    """Find jumps to labels that the function does not define."""
    if unit.cut:
        return
    for name, start in function.jumps:
        if name not in function.labels:
            yield NameDefect("missing_label", start, start + len(name), f"goto to the undefined label {name!r}")


CHECKS = (find_undeclared, find_unused, find_missing_labels)
KINDS = (*UNDECLARED_RULES, "unused", "missing_label")
"""Kinds of errors, which are also the names of the metric's values."""


def check_names(
    units: Sequence[UnitNames],
    lexicon: Lexicon | None,
    *,
    strict: bool = False,
    whole: bool = False,
) -> tuple[Counter[str], list[NameDefect]]:
    """Check the units of a text.

    Args:
        units: All units of the text.
        lexicon: Lexicon of the training text. Without one, only a `strict` check finds undefined names.
        strict: Whether every name must be declared by the text, except names of called functions and constants.
        whole: Whether the text is a whole file.

    Returns:
        The counts, and the errors in the order of the text. The counts are `units`, the complete units; `parsed`, those
        without a syntax error; `characters` of code in all units; `unread`, those that do not parse; `functions`, the
        complete functions; `scored`, those that are found; `cut`, the functions found that the end of the text cuts;
        and for each kind, the functions with such an error.
    """
    complete = whole and not any(unit.includes for unit in units)
    context = Context(lexicon, strict, whole, complete)
    for unit in units:
        context.add(unit)
    context.add_macro_declarations()
    counts: Counter[str] = Counter()
    defects: list[NameDefect] = []
    for unit in units:
        counts["characters"] += unit.characters
        counts["unread"] += unit.characters if unit.refusal else unit.unread
        if unit.cut:
            counts["cut"] += len(unit.functions)
        else:
            counts["units"] += 1
            counts["parsed"] += unit.parses
            counts["functions"] += max(len(unit.functions), unit.defines)
            counts["scored"] += len(unit.functions)
        for function in unit.functions:
            found = [defect for find in CHECKS for defect in find(function, unit, context)]
            counts.update({defect.kind for defect in found})
            defects += found
    return counts, sorted(defects, key=lambda defect: (defect.start, defect.kind))


def count_cases(counts: Counter[str], kind: str) -> int:
    """Return the number of functions in which a kind of error is searched for."""
    return counts["scored"] + (counts["cut"] if kind in UNDECLARED_RULES else 0)
