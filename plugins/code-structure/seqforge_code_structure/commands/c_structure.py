"""`seqforge c-structure`."""

import json
import sys
from codecs import BOM_UTF8
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.errors import DataError

if TYPE_CHECKING:
    from seqforge.interfaces import Finding

LARGEST_FILE = 64 << 20
"""Bytes of a file that is read."""

_STANDARD_INPUT = "-"
_WARNINGS = ("unused", "the line is not indented")


def c_structure(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="C, or what should be C; - is standard input.")],
    lexicon: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names of a training text, from `seqforge c-lexicon`; for undefined names."),
    ] = None,
    cut: Annotated[
        bool,
        typer.Option(
            "--cut",
            help="The text was cut: what is open at its end is right, and so may be what is closed at its start.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Find faults in the structure of C, such as a model wrote, and print them as a compiler would.

    Brackets, comments and literals that are not closed; lines not indented as deep as their braces are; variables
    undefined or unused; jumps without a label. Each function is judged by itself and by what its text declares: headers
    are not read, and no program is compiled.
    Exits with 1 where anything was found, and with 2 where a file cannot be read.

    [bold]Examples[/]

      seqforge c-structure runs/first-run/samples/*.txt --cut

      seqforge sample runs/first-run | seqforge c-structure - --lexicon linux.lexicon.json
    """
    from seqforge_code_structure.identifiers.lexicon_file import read_lexicon
    from seqforge_code_structure.report import all_findings

    names = read_lexicon(lexicon) if lexicon else None
    count = unread = 0
    records: list[dict[str, object]] = []
    for file in files:
        try:
            text = _read(file)
        except DataError as error:
            typer.echo(f"error: {error}", err=True)
            unread += 1
            continue
        findings = all_findings(text, names, cut=cut)
        count += len(findings)
        if as_json:
            records += _records(file, text, findings)
        else:
            _print(file, text, findings)
    if as_json:
        typer.echo(json.dumps(records))
    if count:
        read = len(files) - unread
        typer.echo(f"{count:,} finding{'s' * (count > 1)} in {read:,} file{'s' * (read > 1)}", err=True)
    if count or unread:
        raise typer.Exit(2 if unread else 1)


def _read(file: str) -> str:
    try:
        if file == _STANDARD_INPUT:
            content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise DataError(f"{file} has more than {LARGEST_FILE:,} bytes, which is the limit", hint="Divide it.")
    return content.removeprefix(BOM_UTF8).decode("utf-8", "replace")


def _places(text: str, findings: "list[Finding]") -> list[tuple[int, int]]:
    """Give the line and the column of each finding, from 1; findings are in the order of the text."""
    places: list[tuple[int, int]] = []
    line, line_start, position = 1, 0, 0
    for finding in findings:
        line += text.count("\n", position, finding.start)
        position = finding.start
        line_start = max(line_start, text.rfind("\n", line_start, position) + 1)
        places.append((line, position - line_start + 1))
    return places


def _records(file: str, text: str, findings: "list[Finding]") -> list[dict[str, object]]:
    return [
        {
            "file": file,
            "line": line,
            "column": column,
            "start": finding.start,
            "stop": finding.stop,
            "message": finding.message,
        }
        for finding, (line, column) in zip(findings, _places(text, findings), strict=True)
    ]


def _print(file: str, text: str, findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, markup=False, soft_wrap=True)
    name = "<stdin>" if file == _STANDARD_INPUT else file
    for finding, (line, column) in zip(findings, _places(text, findings), strict=True):
        style = "yellow" if finding.message.startswith(_WARNINGS) else "red"
        console.print(Text.assemble((f"{name}:{line}:{column}: ", "bold"), (finding.message, style)))
