"""Print the findings of `seqforge c-structure`: as lines, as JSON or in SARIF."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import typer

from seqforge.errors import printable
from seqforge.figures import describe_count
from seqforge_code_structure.defects import RULES, Defect
from seqforge_code_structure.findings import Analysis

_COLORS = {"error": "red", "warning": "yellow"}


class Region(NamedTuple):
    """Position of a finding. Lines and columns are counted from 1, and columns in characters.

    Attributes:
        line: Line of its first character.
        column: Column of its first character.
        end_line: Line of the character after its last one.
        end_column: Column of this character.
    """

    line: int
    column: int
    end_line: int
    end_column: int


class Report:
    """The findings of all files.

    Args:
        rules: Names of the rules to report.
        form: Form of the output. Lines are printed at once, all else by `finish`.

    Attributes:
        findings: Number of findings so far.
    """

    def __init__(self, rules: frozenset[str], form: Literal["text", "json", "sarif"]) -> None:
        self.findings = 0
        self._rules, self._form = rules, form
        self._files = 0
        self._records: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._unchecked = 0
        """Number of files in which undefined names are not searched for."""

    def add(self, file: str, text: str, analysis: Analysis, *, names_checked: bool) -> None:
        """Add a file, and print its findings if they are printed as lines.

        Args:
            file: Name of the file.
            text: Its text.
            analysis: Its errors.
            names_checked: Whether undefined names were searched for.
        """
        found = [defect for defect in analysis.defects if defect.rule in self._rules]
        self.findings += len(found)
        self._files += 1
        self._counts += analysis.counts
        self._unchecked += not names_checked
        if self._form == "text":
            _print_lines(file, text, found)
        else:
            self._records += [
                to_record(file, defect, place) for defect, place in zip(found, find_places(text, found), strict=True)
            ]

    def finish(self, *, explicit: bool) -> None:
        """Print the rest of the output, and on standard error what was found and what was not analyzed.

        Args:
            explicit: Whether the user turned the lexicon off, which is then the reason why names were not checked.
        """
        if self._form == "json":
            typer.echo(json.dumps(self._records))
        elif self._form == "sarif":
            typer.echo(json.dumps(to_sarif(self._records)))
        for notice in self._describe_omissions(explicit):
            typer.echo(f"note: {notice}", err=True)
        if self.findings:
            files = describe_count(self._files, "file")
            typer.echo(f"{describe_count(self.findings, 'finding')} in {files}", err=True)

    def _describe_omissions(self, explicit: bool) -> Iterator[str]:
        if self._unchecked and self._rules & {"undefined-name", "undefined-return"}:
            reason = (
                "there is no lexicon" if explicit else "the C library is included, so the names of Linux do not fit"
            )
            files = describe_count(self._unchecked, "file")
            yield f"undefined names were not checked in {files}: {reason}; --strict checks them without a lexicon"
        characters, unread = self._counts["characters"], self._counts["unread"]
        if unread:
            share = 100 * unread / characters
            shown = f"{share:.1f}%" if share >= 0.05 else "less than 0.1%"
            yield f"{shown} of the code does not parse, so its names were not checked"
        if missing := self._counts["functions"] - self._counts["scored"]:
            yield f"{describe_count(missing, 'function')} could not be read, so their names were not checked"


def find_places(text: str, defects: Sequence[Defect]) -> list[Region]:
    """Return the position of each finding. Findings must be in the order of the text."""
    places: list[Region] = []
    line, line_start, position = 1, 0, 0
    for start, stop, *_ in defects:
        line += text.count("\n", position, start)
        line_start = max(line_start, text.rfind("\n", line_start, start) + 1)
        position = start
        end_line = line + text.count("\n", start, stop)
        end_start = line_start if end_line == line else text.rfind("\n", start, stop) + 1
        places.append(Region(line, start - line_start + 1, end_line, stop - end_start + 1))
    return places


def to_record(file: str, defect: Defect, place: Region) -> dict[str, Any]:
    """Return the record of a finding in JSON."""
    start, stop, name, message = defect
    rule = RULES[name]
    return {
        "file": file,
        **place._asdict(),
        "start": start,
        "stop": stop,
        "kind": rule.kind,
        "rule": name,
        "severity": rule.severity,
        "message": message,
    }


def to_sarif(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a SARIF 2.1.0 log of records."""
    from urllib.parse import quote

    names = list(RULES)
    rules = [
        {
            "id": name,
            "shortDescription": {"text": rule.description},
            "defaultConfiguration": {"level": rule.severity, "enabled": rule.default},
        }
        for name, rule in RULES.items()
    ]
    results = [
        {
            "ruleId": record["rule"],
            "ruleIndex": names.index(record["rule"]),
            "level": record["severity"],
            "message": {"text": record["message"]},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(os.fsencode(record["file"]))},
                        "region": {
                            "startLine": record["line"],
                            "startColumn": record["column"],
                            "endLine": record["end_line"],
                            "endColumn": record["end_column"],
                            "charOffset": record["start"],
                            "charLength": record["stop"] - record["start"],
                        },
                    }
                }
            ],
        }
        for record in records
    ]
    driver = {"name": "seqforge c-structure", "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _print_lines(file: str, text: str, defects: Sequence[Defect]) -> None:
    # Not rich, whose import takes longer than the analysis of a file.
    color = False if os.environ.get("NO_COLOR") else True if os.environ.get("FORCE_COLOR") else None
    for defect, place in zip(defects, find_places(text, defects), strict=True):
        severity = RULES[defect.rule].severity
        where = typer.style(f"{printable(file)}:{place.line}:{place.column}: ", bold=True)
        kind = typer.style(f"{severity}: ", fg=_COLORS[severity])
        rule = typer.style(f" [{defect.rule}]", dim=True)
        typer.echo(f"{where}{kind}{defect.message}{rule}", color=color)
