"""Find calls of the functions of a text with a wrong number of arguments."""

import re
from collections.abc import Iterator, Sequence, Set

from seqforge_code_structure.defects import Defect
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
