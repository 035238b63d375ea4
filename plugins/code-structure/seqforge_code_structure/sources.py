"""Read the C files and folders that the command names, and analyze them, with several processes if they are large."""

import os
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import typer

from seqforge.errors import DataError
from seqforge_code_structure.defects import RULES, Defect
from seqforge_code_structure.findings import analyze
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import is_of_kernel, read_linux_lexicon

_Result = TypeVar("_Result")

STANDARD_INPUT, _STANDARD_INPUT_NAME = "-", "<stdin>"

LARGEST_FILE = 64 << 20
"""Largest size in bytes of a file that is read."""

SUFFIXES = (".c", ".h")
"""Names of the files of a folder that are read end with one of these."""

FEWEST_PARALLEL = 64
"""Smallest number of files for which several processes are started, which takes as long as a few files."""


class Analyzed(NamedTuple):
    """The result for one file.

    Attributes:
        findings: Records of its errors, as in the output of `--json`. Lines and columns are counted from 1, and a
            column is a character.
        names_checked: Whether undefined names were searched for.
        problem: Error because of which the file was not read, or None.
    """

    findings: list[dict[str, Any]]
    names_checked: bool = True
    problem: DataError | None = None


def find_files(paths: Sequence[str]) -> list[str]:
    """Return the files of a command line, with the C files in its folders, in the order of their names.

    Raises:
        DataError: If a folder has no C file.
    """
    files: list[str] = []
    for path in paths:
        if path != STANDARD_INPUT and Path(path).is_dir():
            inside = sorted(each for each in Path(path).rglob("*") if each.suffix in SUFFIXES and each.is_file())
            if not inside:
                raise DataError(f"{path}: the folder has no file that ends with {' or '.join(SUFFIXES)}")
            files += map(str, inside)
        else:
            files.append(path)
    return files


def map_files(
    function: Callable[[str], _Result], files: Sequence[str], fewest: int = FEWEST_PARALLEL
) -> Iterator[_Result]:
    """Yield the result of a function for each file, in order, with a process for each core on Linux.

    Show the number of files so far on a terminal. Standard input, which other processes cannot read, takes one process.

    Args:
        function: The function. The processes are forks, which share what it refers to, such as a lexicon. On macOS, a
            fork may crash, and Windows has none.
        files: The files.
        fewest: Smallest number of files for which there are several processes.
    """
    few = len(files) < fewest or STANDARD_INPUT in files
    if sys.platform != "linux" or few or (cores := len(os.sched_getaffinity(0))) == 1:
        yield from _show_progress(map(function, files), len(files))
        return
    # Forks need not pickle the function, which their initializer receives.
    with ProcessPoolExecutor(cores, get_context("fork"), _functions.append, (function,)) as processes:
        results = processes.map(_call, files, chunksize=max(1, min(8, len(files) // (4 * cores))))
        yield from _show_progress(results, len(files))


_functions: list[Callable[[str], Any]] = []
"""The function of a process of `map_files`."""


def _call(file: str) -> Any:
    return _functions[-1](file)


def _show_progress(results: Iterable[_Result], files: int) -> Iterator[_Result]:
    """Yield the result of each file, and show their number on a terminal."""
    shown = sys.stderr.isatty() and files > 1
    for number, result in enumerate(results, start=1):
        yield result
        if shown:
            typer.echo(f"\r\033[K{number:,} of {files:,} files", err=True, nl=False)
    if shown:
        typer.echo("\r\033[K", err=True, nl=False)


def analyze_file(file: str, lexicon: Lexicon | None, *, cut: bool, strict: bool) -> Analyzed:
    """Read and analyze a file. Without a lexicon, it is that of Linux, except for files that are not of the kernel."""
    try:
        text = read_text(file)
    except DataError as error:
        return Analyzed([], problem=error)
    if lexicon is None and is_of_kernel(text):
        lexicon = read_linux_lexicon()
    name = _STANDARD_INPUT_NAME if file == STANDARD_INPUT else file
    defects = analyze(text, lexicon, cut=cut, strict=strict)
    return Analyzed(list(_describe(name, text, defects)), strict or lexicon is not None)


def _describe(file: str, text: str, defects: Sequence[Defect]) -> Iterator[dict[str, Any]]:
    """Yield the record of each error. They are in the order of the text."""
    line, line_start, position = 1, 0, 0
    for start, stop, name, message in defects:
        line += text.count("\n", position, start)
        line_start = max(line_start, text.rfind("\n", line_start, start) + 1)
        position = start
        place = {"file": file, "line": line, "column": start - line_start + 1, "start": start, "stop": stop}
        rule = RULES[name]
        yield {**place, "kind": rule.kind, "rule": name, "severity": rule.severity, "message": message}


def read_text(file: str) -> str:
    """Return the text of a file, or of standard input.

    Raises:
        DataError: If it cannot be read, or is too large.
    """
    try:
        if file == STANDARD_INPUT:
            content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise DataError(f"{file}: larger than {LARGEST_FILE:,} bytes, the limit", hint="Divide the file.")
    return content.removeprefix(BOM_UTF8).decode("utf-8", "replace")
