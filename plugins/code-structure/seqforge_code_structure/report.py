"""Print the findings of `seqforge c-structure`: as lines or as JSON."""

import json
import os
from collections.abc import Sequence
from typing import Any

import typer

from seqforge.errors import printable
from seqforge.figures import describe_count
from seqforge_code_structure.defects import RULES, Defect
from seqforge_code_structure.sources import STANDARD_INPUT, Analyzed, Place

_STANDARD_INPUT_NAME = "<stdin>"
_COLORS = {"error": "red", "warning": "yellow"}


class Report:
    """The findings of all files.

    Args:
        rules: Names of the rules to report.
        as_json: Whether the findings are printed as a JSON array, by `finish`, instead of as lines.

    Attributes:
        findings: Number of findings so far.
    """

    def __init__(self, rules: frozenset[str], *, as_json: bool) -> None:
        self.findings = 0
        self._rules, self._as_json = rules, as_json
        self._files = 0
        self._records: list[dict[str, Any]] = []
        self._unchecked = 0
        """Number of files in which undefined names are not searched for."""

    def add(self, result: Analyzed) -> None:
        """Add a file, and print its findings if they are printed as lines."""
        file = _STANDARD_INPUT_NAME if result.file == STANDARD_INPUT else result.file
        pairs = zip(result.defects, result.places, strict=True)
        found = [(defect, place) for defect, place in pairs if defect.rule in self._rules]
        self.findings += len(found)
        self._files += 1
        self._unchecked += not result.names_checked
        if self._as_json:
            for (start, stop, name, message), place in found:
                rule = RULES[name]
                record = {"file": file, **place._asdict(), "start": start, "stop": stop, "kind": rule.kind}
                self._records.append({**record, "rule": name, "severity": rule.severity, "message": message})
        else:
            _print_lines(file, found)

    def finish(self) -> None:
        """Print the rest of the output, and on standard error what was found and what was not analyzed."""
        if self._as_json:
            typer.echo(json.dumps(self._records))
        if self._unchecked and self._rules & {"undefined-name", "undefined-return"}:
            files = describe_count(self._unchecked, "file")
            note = f"undefined names were not checked in {files} without a header of Linux: --lexicon or --strict does"
            typer.echo(f"note: {note}", err=True)
        if self.findings:
            files = describe_count(self._files, "file")
            typer.echo(f"{describe_count(self.findings, 'finding')} in {files}", err=True)


def _print_lines(file: str, found: Sequence[tuple[Defect, Place]]) -> None:
    # Not rich, whose import takes longer than the analysis of a file.
    color = False if os.environ.get("NO_COLOR") else True if os.environ.get("FORCE_COLOR") else None
    for defect, place in found:
        severity = RULES[defect.rule].severity
        where = typer.style(f"{printable(file)}:{place.line}:{place.column}: ", bold=True)
        kind = typer.style(f"{severity}: ", fg=_COLORS[severity])
        rule = typer.style(f" [{defect.rule}]", dim=True)
        typer.echo(f"{where}{kind}{defect.message}{rule}", color=color)
