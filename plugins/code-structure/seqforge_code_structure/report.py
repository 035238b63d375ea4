"""Print the findings of `seqforge c-structure`: as lines or as JSON."""

import json
import os
from collections.abc import Iterable
from typing import Any

import typer

from seqforge.errors import printable
from seqforge.figures import describe_count
from seqforge_code_structure.sources import Analyzed

_COLORS = {"error": "red", "warning": "yellow"}


def report(results: Iterable[Analyzed], rules: frozenset[str], *, as_json: bool) -> int:
    """Print the findings in files, and on standard error what was found and what was not analyzed.

    Args:
        results: The result for each file.
        rules: Names of the rules to report.
        as_json: Whether to print one JSON array at the end instead of lines.

    Returns:
        The exit status.
    """
    files = findings = unread = unchecked = 0
    records: list[dict[str, Any]] = []
    for result in results:
        if result.problem:
            typer.echo(f"error: {result.problem}", err=True)
            unread += 1
            continue
        found = [record for record in result.findings if record["rule"] in rules]
        files += 1
        findings += len(found)
        unchecked += not result.names_checked
        if as_json:
            records += found
        else:
            for record in found:
                _print_line(**record)
    if as_json:
        typer.echo(json.dumps(records))
    if unchecked and rules & {"undefined-name", "undefined-return"}:
        count = describe_count(unchecked, "file")
        note = f"undefined names were not checked in {count} without a header of Linux: --lexicon or --strict does"
        typer.echo(f"note: {note}", err=True)
    if findings:
        typer.echo(f"{describe_count(findings, 'finding')} in {describe_count(files, 'file')}", err=True)
    return 2 if unread else int(findings > 0)


def _print_line(file: str, line: int, column: int, severity: str, message: str, rule: str, **_: Any) -> None:
    # Not rich, whose import takes longer than the analysis of a file.
    color = False if os.environ.get("NO_COLOR") else True if os.environ.get("FORCE_COLOR") else None
    where = typer.style(f"{printable(file)}:{line}:{column}: ", bold=True)
    kind = typer.style(f"{severity}: ", fg=_COLORS[severity])
    typer.echo(f"{where}{kind}{message}{typer.style(f' [{rule}]', dim=True)}", color=color)
