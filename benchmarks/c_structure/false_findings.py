"""Findings of the analyses in code that compiles, of which nearly all are false."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from seqforge_code_structure.defects import RULES, Defect
from seqforge_code_structure.findings import analyze
from seqforge_code_structure.identifiers.checks import check_names
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import is_of_kernel, read_linux_lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_units
from seqforge_code_structure.indentation import analyze_indentation
from seqforge_code_structure.units import split_units

from benchmarks.c_structure.sources import Source

UNDEFINED = ("undefined-name", "undefined-return")


class Reported(NamedTuple):
    """A finding in a file.

    Attributes:
        file: Name of the file.
        line: Number of its line.
        defect: The finding.
        code: The line.
    """

    file: str
    line: int
    defect: Defect
    code: str


@dataclass(slots=True)
class FalseFindings:
    """Findings in the files of a project.

    Attributes:
        files: Number of files.
        counts: Counts of units and functions, by the names of `check_names`.
        rules: Number of findings of each rule that is on by default.
        files_with: For each kind of rules, the number of files with a finding; and for "other" than indentation.
        lines: Number of lines whose indentation is checked.
        undefined: For each lexicon, the number of functions that are said to use an undefined name.
        reported: The findings.
    """

    files: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    rules: Counter[str] = field(default_factory=Counter[str])
    files_with: Counter[str] = field(default_factory=Counter[str])
    lines: int = 0
    undefined: Counter[str] = field(default_factory=Counter[str])
    reported: list[Reported] = field(default_factory=list[Reported])

    def add(self, source: Source, project: Lexicon | None) -> None:
        """Analyze a file with the default lexicon, without one, and with that of its project, if there is one."""
        default = read_linux_lexicon() if is_of_kernel(source.text) else None
        self.files += 1
        self._report(source, analyze(source.text, default))
        text = source.text
        units = read_units(text, split_units(text))
        self.counts += check_names(units, default, whole=True)[0]
        self.lines += analyze_indentation(text, units).lines
        for name, lexicon in (("default", default), ("none", None), ("project", project)):
            self.undefined[name] += _count_undefined(units, check_names(units, lexicon, whole=True)[1])
        alone = [defect for unit in units for defect in check_names([unit], project)[1]]
        self.undefined["project, alone"] += _count_undefined(units, alone)

    def _report(self, source: Source, analysis: list[Defect]) -> None:
        found = [defect for defect in analysis if RULES[defect.rule].default]
        self.rules.update(defect.rule for defect in found)
        kinds = {RULES[defect.rule].kind for defect in found}
        self.files_with.update(kinds)
        self.files_with["other"] += bool(kinds - {"indentation"})
        lines = source.text.splitlines()
        for defect in found:
            line = source.text.count("\n", 0, defect.start)
            self.reported.append(Reported(source.name, line + 1, defect, lines[line] if line < len(lines) else ""))


def _count_undefined(units: Sequence[UnitNames], defects: Sequence[Defect]) -> int:
    """Return the number of functions with an undefined name."""
    places = [defect.start for defect in defects if defect.rule in UNDEFINED]
    functions = [function for unit in units for function in unit.functions]
    return sum(any(function.start <= place < function.stop for place in places) for function in functions)
