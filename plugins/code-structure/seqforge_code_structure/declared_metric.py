"""The metric `compiles-declared`: units that a compiler accepts once what they lack is declared."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from seqforge.errors import PluginError, warn
from seqforge.interfaces import Finding, Metric, Score
from seqforge_code_structure.compiler import find_compiler
from seqforge_code_structure.declarations.inference import Acceptance, accept_unit
from seqforge_code_structure.units import begins_inside_unit, split_units

MOST_UNITS = 200
"""Largest number of units, in all texts together, that are compiled. All further ones are ignored."""

_compile = lru_cache(maxsize=4096)(accept_unit)
"""Compilation with a memory, since the engine scores a text in its group and alone."""


class CompilesDeclared(Metric):
    """Share of complete top-level units that gcc accepts after the names that they lack are declared.

    Types, functions, global variables, constants, structures and their members are declared from their use, for each
    unit separately. What remains are errors of syntax, and uses of a name that no declaration fits. Nothing is executed
    and no file is read. Each unit takes a few hundredths of a second. Without gcc, a warning says so, and no unit is
    compiled.
    """

    def __init__(self) -> None:
        self._compiler: Path | None = None
        try:
            self._compiler = find_compiler("compiles-declared")
        except PluginError as error:
            warn(f"{error.message}; so no unit is compiled")

    def score(self, texts: Sequence[str]) -> Score:
        """Compile the complete units of texts that may be cut at both ends.

        Returns:
            `units`, the number of compiled units, which are the first `MOST_UNITS` with a bracket; and `accepted`, the
            share of these that gcc accepts.
        """
        units = [
            (number, unit.start, text[unit.start : unit.stop])
            for number, text in enumerate(texts)
            for unit in split_units(text, beginning_missing=begins_inside_unit(text), end_missing=True)
            if unit.kind == "complete" and unit.brackets
        ][:MOST_UNITS]
        if self._compiler is None:
            units = []
        findings: list[Finding] = []
        for number, start, unit in units:
            found: Acceptance = _compile(unit, self._compiler)
            if not found.accepted:
                place = start + min(found.start, len(unit) - 1)
                findings.append(Finding(number, place, place + 1, found.error))
        accepted = len(units) - len(findings)
        values = {"accepted": accepted / len(units) if units else 0.0, "units": float(len(units))}
        return Score(values, tuple(findings), {"accepted": float(len(units))})
