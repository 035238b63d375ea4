"""The commands `seqforge c-structure` and `seqforge c-lexicon`.

Every command of seqforge imports this module, so it imports whatever needs torch inside functions.
"""

import json
import sys
import time
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.errors import DataError, ExperimentError
from seqforge.registry import Component, Registry

if TYPE_CHECKING:
    from seqforge.interfaces import Document, Finding

LARGEST_FILE = 64 << 20
"""Largest size in bytes of a file that `c-structure` reads."""

_STANDARD_INPUT = "-"

_REPORT_SECONDS = 10.0
"""Seconds between two lines of progress if standard error is not a terminal."""

_REDRAW_SECONDS = 0.1
"""Seconds between two updates of the line of progress on a terminal."""


def c_structure(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="C files, such as a.c; - reads standard input.")],
    lexicon: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Lexicon file, written by `seqforge c-lexicon`. Without it, undefined names are not reported.",
        ),
    ] = None,
    cut: Annotated[
        bool,
        typer.Option(
            "--cut",
            help="Each file is an excerpt, which may begin and end inside a function: brackets may lack their match.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as a JSON array.")] = False,
) -> None:
    """Find structural errors in C, for example in samples of a model, and print them in the format of a compiler.

    The command reports brackets, comments and literals that are not closed,
    lines whose indentation does not match their braces, undefined names, unused
    variables, and jumps to undefined labels. Only declarations in the same file
    count: the command reads no headers and compiles nothing.

    The exit status is 1 if there are findings, and 2 if a file cannot be read.

    [bold]Examples[/]

      seqforge c-structure runs/first-run/samples/*.txt --cut

      seqforge sample runs/first-run | seqforge c-structure - --lexicon linux.lexicon.json
    """
    from seqforge_code_structure.findings import find_all_errors
    from seqforge_code_structure.identifiers.lexicon import read_lexicon

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
        findings = find_all_errors(text, names, cut=cut)
        count += len(findings)
        if as_json:
            records += _to_records(file, text, findings)
        else:
            _print(file, text, findings)
    if as_json:
        typer.echo(json.dumps(records))
    if count:
        typer.echo(f"{_format_count(count, 'finding')} in {_format_count(len(files) - unread, 'file')}", err=True)
    if count or unread:
        raise typer.Exit(2 if unread else 1)


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _read(file: str) -> str:
    try:
        if file == _STANDARD_INPUT:
            content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise DataError(f"{file}: larger than {LARGEST_FILE:,} bytes, the limit", hint="Divide the file.")
    return content.removeprefix(BOM_UTF8).decode("utf-8", "replace")


def _find_lines_and_columns(text: str, findings: "list[Finding]") -> list[tuple[int, int]]:
    """Return the line and the column of each finding, counted from 1. Findings must be in the order of the text."""
    positions: list[tuple[int, int]] = []
    line, line_start, position = 1, 0, 0
    for finding in findings:
        line += text.count("\n", position, finding.start)
        position = finding.start
        line_start = max(line_start, text.rfind("\n", line_start, position) + 1)
        positions.append((line, position - line_start + 1))
    return positions


def _to_records(file: str, text: str, findings: "list[Finding]") -> list[dict[str, object]]:
    return [
        {
            "file": file,
            "line": line,
            "column": column,
            "start": finding.start,
            "stop": finding.stop,
            "message": finding.message,
        }
        for finding, (line, column) in zip(findings, _find_lines_and_columns(text, findings), strict=True)
    ]


def _print(file: str, text: str, findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, markup=False, soft_wrap=True)
    name = "<stdin>" if file == _STANDARD_INPUT else file
    for finding, (line, column) in zip(findings, _find_lines_and_columns(text, findings), strict=True):
        style = "yellow" if finding.severity == "warning" else "red"
        console.print(Text.assemble((f"{name}:{line}:{column}: ", "bold"), (finding.message, style)))


def c_lexicon(
    context: typer.Context,
    experiment: Annotated[
        Path | None, typer.Argument(metavar="EXPERIMENT.toml", help="Experiment file with the corpus.")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Lexicon file to write.")] = Path("lexicon.json"),
    corpus: Annotated[
        str | None, typer.Option(metavar="NAME", help="Corpus, such as linux-source. Default: that of the experiment.")
    ] = None,
    assignments: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a key of the corpus. Repeatable. Example: corpus.source=linux.tar.xz.",
        ),
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    """Count the names in a corpus of C, for `seqforge c-structure --lexicon`.

    For each name, the lexicon stores the number of files in which a function
    declares it, and the number of files in which a function uses it without
    declaring it. The metric `identifiers` needs no lexicon file: it counts the
    names of the run's training text itself.

    [bold]Examples[/]

      seqforge c-lexicon experiments/linux-post.toml --output linux.lexicon.json

      seqforge c-lexicon --corpus linux-source --set corpus.source=linux.tar.xz --output linux.lexicon.json
    """
    from seqforge.files import reported_failures, write_atomically
    from seqforge.interfaces import Corpus
    from seqforge_code_structure.identifiers.lexicon import build_lexicon, encode_lexicon

    if output.is_dir() or not output.parent.is_dir() or (output.exists() and not output.is_file()):
        raise DataError(f"{output} is not a file in an existing folder", hint="Choose another file with --output FILE.")
    chosen = _resolve_corpus(context.obj, experiment, corpus, assignments).build()
    if not isinstance(chosen, Corpus):
        raise ExperimentError(
            "corpus: it yields labelled examples, but a lexicon needs C files",
            hint="Choose a corpus of text, for example with --corpus linux-source.",
        )
    typer.echo(chosen.describe(), err=True)
    lexicon = build_lexicon(_read_texts(chosen.documents()))
    if not lexicon.counts:
        raise DataError(
            "corpus: it contains no C function that uses or declares a variable, so the lexicon would be empty",
            hint="Choose the corpus that your model is trained on. It must contain C.",
        )
    with reported_failures(f"writing the lexicon {output}"):
        write_atomically(output, encode_lexicon(lexicon))
    typer.echo(f"{output}: {_format_count(len(lexicon.counts), 'name')} from {_format_count(lexicon.files, 'file')}")


def _resolve_corpus(registry: Registry, path: Path | None, corpus: str | None, assignments: list[str]) -> Component:
    from seqforge.experiment import override, read_table, replace_components
    from seqforge.registry import resolve

    table = override(replace_components(read_table(path) if path else {}, registry, corpus=corpus), assignments)
    if "corpus" not in table:
        raise ExperimentError(
            "corpus: missing",
            hint="Name an experiment file, or choose a corpus, such as --corpus linux-source.",
        )
    resolved = resolve(registry, "corpus", table["corpus"], "corpus", path.parent if path else Path.cwd())
    if isinstance(resolved, list):
        raise ExperimentError("\n".join(str(problem) for problem in resolved))
    return resolved


def _read_texts(documents: "Iterable[Document]") -> Iterator[str]:
    """Yield the text of each document, and report the progress on standard error.

    On a terminal, this redraws one line. Elsewhere, it prints a new line every few seconds.
    """
    terminal = sys.stderr.isatty()
    shown = time.monotonic()
    size = 0
    for number, document in enumerate(documents, start=1):
        size += len(document.content)
        yield document.content.decode("utf-8", "replace")
        now = time.monotonic()
        if now - shown >= (_REDRAW_SECONDS if terminal else _REPORT_SECONDS):
            shown = now
            line = f"reading: {number:,} files, {size / 1e6:,.1f} MB"
            typer.echo(f"\r{line} " if terminal else line, err=True, nl=not terminal)
    if terminal:
        typer.echo("\r\033[K", err=True, nl=False)
