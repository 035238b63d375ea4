"""The metric `compiles-declared`: units that gcc accepts after the names that they lack are declared."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from seqforge.errors import PluginError, warn
from seqforge.kinds import Finding, Metric, Quantity, Score
from seqforge_code_structure.compiler import find_compiler
from seqforge_code_structure.declarations.inference import Acceptance, accept_unit
from seqforge_code_structure.units import split_excerpt

MOST_UNITS = 200
"""Largest number of units, in all texts together, that are compiled. All further ones are ignored."""

_compile = lru_cache(maxsize=4096)(accept_unit)
"""Compilation with a cache, since the engine scores a text in its group and alone."""


class CompilesDeclared(Metric):
    """Share of complete top-level units that gcc accepts after the names that they lack are declared.

    Types, functions, global variables, constants, structures and their members are declared from their use, for each
    unit separately. What remains are errors of syntax, and uses of a name that no declaration fits. Nothing is executed
    and no file is read. Each unit takes a few hundredths of a second. Without gcc, a warning is printed, and no unit is
    compiled.
    """

    exact_text: ClassVar[bool] = True
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "accepted": Quantity(
            "units that gcc accepts", "share", "more", "gcc accepts {} of the units, once what they lack is declared"
        ),
        "units": Quantity("units that are compiled", "number", "neither", "gcc compiles {} units", is_detail=True),
    }

    def __init__(self) -> None:
        self._compiler: Path | None = None
        try:
            self._compiler = find_compiler()
        except PluginError as error:
            warn(f"{error.message}; so no unit is compiled")

    def score(self, texts: Sequence[str]) -> Score:
        """Compile the complete units of texts that may be cut at both ends.

        Returns:
            `units`, the number of compiled units, which are the first `MOST_UNITS` with a bracket; and `accepted`, the
            share of these that gcc accepts.
        """
        if self._compiler is None:
            return _score(0, 0)
        units = [
            (number, unit.start, text[unit.start : unit.stop])
            for number, text in enumerate(texts)
            for unit in split_excerpt(text)
            if unit.kind == "complete" and unit.brackets
        ][:MOST_UNITS]
        findings: list[Finding] = []
        for number, start, content in units:
            found: Acceptance = _compile(content, self._compiler)
            if not found.accepted:
                place = start + min(found.start, len(content) - 1)
                findings.append(Finding(number, place, place + 1, found.error))
        return _score(len(units), len(units) - len(findings), findings)


def _score(units: int, accepted: int, findings: Sequence[Finding] = ()) -> Score:
    values = {"accepted": accepted / units if units else 0.0, "units": float(units)}
    return Score(values, tuple(findings), {"accepted": float(units)})
