"""Find errors in functions: undefined and unused names, labels that are not defined, and wrong numbers of arguments."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set

from seqforge.errors import nearest
from seqforge_code_structure.defects import Defect
from seqforge_code_structure.identifiers.context import Context
from seqforge_code_structure.identifiers.lexicon import Lexicon, is_constant
from seqforge_code_structure.identifiers.names import Function, NameUse
from seqforge_code_structure.identifiers.reading import UnitNames

_MACRO_ARGUMENT = re.compile(rb"[(,]\s*+[A-Z_][A-Z0-9_]*+\s*+[(,)]")
"""An argument that is a macro, which may be several arguments."""


def find_wrong_calls(units: Sequence[UnitNames], hidden: Set[str]) -> Iterator[Defect]:
    """Yield the calls with a wrong number of arguments in the units of a text.

    A function counts only if the text defines it once, with named parameters and without `...`. A call counts only if
    the rewriting of macros does not change its arguments.

    Args:
        units: The units of the text.
        hidden: Names of macros and local variables, which may stand for something else than the function.
    """
    parameters: dict[str, int | None] = {}
    for unit in units:
        for name, count in unit.parameters:
            # Of a second definition, perhaps under another condition, it is not known which one is called.
            parameters[name] = None if name in parameters or name in hidden else count
    for unit in units:
        for name, start, stop, arguments in unit.calls:
            expected = parameters.get(name)
            if expected is None or expected == arguments:
                continue
            code = unit.code[start:stop]
            is_original = code == unit.rewritten[start - unit.start : stop - unit.start]
            if is_original and (arguments > expected or not _MACRO_ARGUMENT.search(code)):
                message = f"{name!r} is called with {arguments} arguments, but has {expected} parameters"
                yield Defect(start, start + len(name), "wrong-arguments", message)


_PREDEFINED_NAMES = """
    __func__ __FUNCTION__ __PRETTY_FUNCTION__ true false nullptr errno stdin stdout stderr environ
    optarg optind no_argument required_argument optional_argument asm __asm__ scope
    typeof __typeof__ __typeof typeof_unqual sizeof alignof _Alignof offsetof defined this_module
    void char short int long float double signed unsigned bool u8 u16 u32 u64 s8 s16 s32 s64
"""
PREDEFINED = frozenset(_PREDEFINED_NAMES.split())
"""Names that C, its compilers, its library or the kernel define, and that no file declares. Macros take types."""

FEWEST_MACRO_ARGUMENTS = 3
"""Smallest number of arguments of a macro that defines a function and names all of its parameters, such as
`SYSCALL_DEFINE1(name, type, parameter)`. One with fewer may declare further parameters."""


UNDECLARED_RULES = {
    "undefined-name": "undefined identifier {!r}",
    "novel-name": "undefined identifier {!r}, which the training text does not contain",
    "undefined-return": "return of the undefined identifier {!r}",
}
"""Rules of the use of an undeclared name, with their messages."""

_WORD = re.compile(rb"[A-Za-z_]\w*+")


def find_undeclared(function: Function, unit: UnitNames, context: Context) -> Iterator[Defect]:
    """Find the first use of each undeclared name, and yield an error for each rule that applies to it."""
    if context.lexicon is None and not context.strict:
        return
    seen: set[tuple[str, str]] = set()
    candidates = list(find_candidates(function, unit, context))
    local = context.find_local(function, unit, candidates)
    for use in candidates:
        undefined = context.is_undefined(use, local)
        broken = {
            "undefined-name": undefined,
            "novel-name": context.is_novel(use.name),
            "undefined-return": use.returned and (undefined or context.is_no_known_global(use)),
        }
        for rule in (rule for rule, holds in broken.items() if holds and (rule, use.name) not in seen):
            seen.add((rule, use.name))
            message = UNDECLARED_RULES[rule].format(use.name) + _explain(use, function, context)
            yield Defect(use.start, use.start + len(use.name), rule, message)


def _explain(use: NameUse, function: Function, context: Context) -> str:
    """Return what the author of a text may have meant by an undeclared name, for the message."""
    places = [found.start for found in function.declarations if found.name == use.name]
    if places:
        return ", which another block declares" if min(places) < use.start else ", which is declared later"
    if use.name in context.locals:
        return ", which another function declares"
    visible = [found.name for found in function.declarations if found.start < use.start]
    similar = nearest(use.name, visible)
    return f"; did you mean {similar!r}?" if similar else ""


def _has_more_parameters(function: Function) -> bool:
    """Return whether a macro defines the function, and may declare parameters that its arguments do not name."""
    return 0 < function.macro_arguments < FEWEST_MACRO_ARGUMENTS


def find_candidates(function: Function, unit: UnitNames, context: Context) -> Iterator[NameUse]:
    """Yield the uses of names that nothing declares.

    A macro of a header that takes names which are no variables may declare its argument, as loops over the elements of
    a list do.
    """
    if _has_more_parameters(function):
        return
    declared_by_macros = {use.name for use in function.free if context.declares(use)}
    for use in function.free:
        name = use.name
        # The type of a cast before an operator with one operand parses as a variable.
        is_type = name.endswith("_t")
        if use.called or is_type or is_constant(name) or context.excuses(use) or context.is_from_header(name):
            continue
        if not any(
            name in names for names in (context.declared, unit.possibly_declared, declared_by_macros, PREDEFINED)
        ):
            yield use


def find_unused(function: Function, unit: UnitNames, context: Context) -> Iterator[Defect]:
    """Find local variables that are never used."""
    if unit.cut or _has_more_parameters(function):
        return
    for declaration in function.declarations:
        if not declaration.variable or declaration.used:
            continue
        name = declaration.name
        if name not in unit.possibly_used and not context.may_be_used_by_macros(declaration):
            stop = declaration.start + len(name)
            yield Defect(declaration.start, stop, "unused-variable", f"unused variable {name!r}")


def find_missing_labels(function: Function, unit: UnitNames, context: Context) -> Iterator[Defect]:
    """Find jumps to labels that the function does not define. A label in capital letters may be a macro of a header."""
    if unit.cut:
        return
    for name, start in function.jumps:
        if name not in function.labels and not is_constant(name):
            yield Defect(start, start + len(name), "undefined-label", f"goto to the undefined label {name!r}")


def find_repeated(function: Function, unit: UnitNames, _context: Context) -> Iterator[Defect]:
    """Find names that are declared twice in one scope, and labels that are defined twice."""
    if not unit.parses:
        return
    for _, found in function.repeated:
        yield Defect(found.start, found.start + len(found.name), "redeclared-name", f"{found.name!r} is declared twice")
    seen: set[str] = set()
    for name, start in function.label_places:
        if name in seen and not is_constant(name):  # It may be a macro with several cases.
            yield Defect(start, start + len(name), "duplicate-name", f"label {name!r} is defined twice")
        seen.add(name)


def find_unused_labels(function: Function, unit: UnitNames, context: Context) -> Iterator[Defect]:
    """Find labels that no jump names. Macros may contain a jump or a `case`, and so may code that is not compiled."""
    may_be_in_header = context.lexicon is None and not context.complete
    if unit.cut or not unit.parses or may_be_in_header or not function.label_places:
        return
    code = unit.code[function.start : function.stop]
    words = Counter(_WORD.findall(code))
    for name, start in function.label_places:
        uses = words[name.encode("ascii", "replace")]
        hidden = is_constant(name) or name in unit.possibly_used or name in context.macros.used
        if uses == 1 and not hidden:
            yield Defect(start, start + len(name), "unused-label", f"unused label {name!r}")


CHECKS = (find_undeclared, find_unused, find_missing_labels, find_repeated, find_unused_labels)


def check_names(
    units: Sequence[UnitNames],
    lexicon: Lexicon | None,
    *,
    strict: bool = False,
    whole: bool = False,
) -> tuple[Counter[str], list[Defect]]:
    """Check the units of a text. The other arguments are attributes of `Context`.

    Returns:
        The counts, and the errors in the order of the text. The counts are `units`, the complete units; `parsed`, those
        without a syntax error; `characters` of code in all units; `unread`, those that do not parse; `functions`, the
        complete functions; `scored`, those that are found; `cut`, the functions found that the end of the text cuts;
        and for each rule, the functions with such an error.
    """
    context = Context.of(units, lexicon, strict=strict, whole=whole)
    counts: Counter[str] = Counter()
    defects: list[Defect] = []
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
            counts.update({defect.rule for defect in found})
            defects += found
        defects += unit.misplaced
    hidden = context.locals | context.macros.pasted.keys()
    return counts, sorted([*defects, *find_wrong_calls(units, hidden)])


def count_cases(counts: Counter[str], rule: str) -> int:
    """Return the number of functions in which errors of a rule are searched for."""
    return counts["scored"] + (counts["cut"] if rule in UNDECLARED_RULES else 0)
