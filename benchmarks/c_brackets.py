"""Measure error rates of the analyses of brackets, terminators and indentation, on held-out code and on its mutants.

5% of the files of Linux are held out, chosen by a hash of their names. Each complete unit with a bracket, and each
window of 4,000 characters that begins with a unit, is checked unchanged, and after each kind of mutation at a random
position. The benchmark prints the share of correct code that is flagged, the share of mutants that are caught, and the
throughput per second of CPU time.

    python benchmarks/c_brackets.py [ARCHIVE.tar.xz] [--files 200] [--units 20000] [--seed 1]
"""

import argparse
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.indentation import IndentationAnalysis, analyze_indentation
from seqforge_code_structure.structure import TokenKind, scan_text
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import split_units
from seqforge_linux_source.corpus import LinuxSource

from seqforge.data.splits import hash_to_unit_interval

HELD_OUT = 0.05
"""Share of the files that are held out."""

WINDOW = 4_000
"""Characters of a window."""

REPETITIONS = 3
"""Number of measurements of a throughput, of which the best is printed."""


def read_held_out_files(archive: Path) -> Iterator[str]:
    """Yield the files whose names have a hash in the first 5% of its range."""
    for document in LinuxSource(source=archive).documents():
        if hash_to_unit_interval(document.name) < HELD_OUT:
            yield document.content.decode()


def split_into_units(text: str) -> Iterator[str]:
    """Yield the units of a text that have a bracket."""
    return (text[unit.start : unit.stop] for unit in split_units(text) if unit.brackets)


def cut_windows(text: str) -> Iterator[str]:
    """Yield windows of a text that begin with a unit, are cut at their end, and do not overlap."""
    free = 0
    for unit in split_units(text):
        if unit.start >= free and unit.start + WINDOW < len(text):
            yield text[unit.start : unit.start + WINDOW]
            free = unit.start + WINDOW


def find_tokens(text: str, *kinds: TokenKind) -> list[tuple[int, int]]:
    """Return the spans of the tokens of certain kinds outside of directives."""
    return [(start, stop) for kind, start, stop in scan_text(text) if kind in kinds]


def insert(text: str, position: int, generator: random.Random) -> str:
    """Insert a random bracket before a bracket."""
    return text[:position] + generator.choice("()[]{}") + text[position:]


def delete(text: str, position: int, generator: random.Random) -> str:
    """Delete a bracket."""
    return text[:position] + text[position + 1 :]


def substitute(text: str, position: int, generator: random.Random) -> str:
    """Replace a bracket by a random other bracket."""
    others = [bracket for bracket in "()[]{}" if bracket != text[position]]
    return text[:position] + generator.choice(others) + text[position + 1 :]


def measure_detection(
    texts: list[str], mutate: Callable[[str, int, random.Random], str], accepts: Callable[[str], bool]
) -> str:
    """Return the share of the texts that are not accepted after the mutation of a random bracket."""
    generator = random.Random(mutate.__name__)
    total = found = 0
    for text in texts:
        if brackets := find_tokens(text, TokenKind.BRACKET):
            total += 1
            found += not accepts(mutate(text, generator.choice(brackets)[0], generator))
    return f"{100 * found / total:6.2f}% of {total:,}"


def measure_end_detection(texts: list[str], kind: TokenKind, width: int) -> str:
    """Return the share of the texts in which an error is found after the end of a random token is deleted.

    Args:
        texts: Texts of correct code.
        kind: Kind of the token: a comment, a string or a character literal.
        width: Number of characters of its end.
    """
    generator = random.Random(kind.name)
    total = found = 0
    for text in texts:
        if spans := find_tokens(text, kind):
            stop = generator.choice(spans)[1]
            total += 1
            found += bool(analyze_terminators(text[: stop - width] + text[stop:]).defects)
    return f"{100 * found / total:6.2f}% of {total:,}"


def measure_throughput(texts: list[str], analyze: Callable[[str], object]) -> str:
    """Return the best throughput of several repetitions over all texts, in megabytes per second of CPU time."""
    size = sum(len(text.encode()) for text in texts)
    seconds: list[float] = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        for text in texts:
            analyze(text)
        seconds.append(time.process_time() - start)
    return f"{size / 1e6 / min(seconds):5.1f} MB/s"


def measure_false_alarms(texts: list[str], accepts: Callable[[str], bool]) -> str:
    """Return the share of the texts of correct code that are not accepted."""
    wrong = sum(not accepts(text) for text in texts)
    return f"{100 * wrong / len(texts):6.3f}% of {len(texts):,}"


def is_balanced(text: str) -> bool:
    """Return whether a text has no bracket error."""
    return all(unit.balanced for unit in split_units(text))


def is_balanced_so_far(text: str) -> bool:
    """Return whether a text that is cut at its end has no bracket error."""
    return all(unit.balanced for unit in split_units(text, end_missing=True))


def check_indentation(text: str) -> IndentationAnalysis:
    """Check the indentation of a text."""
    return analyze_indentation(text, read_units(text, split_units(text)))


def main() -> None:
    """Measure the error rates, and print them."""
    named = os.environ.get("SEQFORGE_LINUX_SOURCE")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, nargs="?", default=named and Path(named), help="Linux as .tar.xz")
    parser.add_argument("--files", type=int, help="number of held-out files, chosen at random (default: all)")
    parser.add_argument("--units", type=int, default=20_000, help="largest number of units and of windows to mutate")
    parser.add_argument("--seed", type=int, default=1, help="seed of the sample of units and windows")
    arguments = parser.parse_args()
    if arguments.archive is None or not arguments.archive.is_file():
        parser.error("no archive found; name one, or set SEQFORGE_LINUX_SOURCE")

    generator = random.Random(arguments.seed)
    files = list(read_held_out_files(arguments.archive))
    if arguments.files:
        files = generator.sample(files, min(arguments.files, len(files)))
    print(f"{len(files):,} files, {sum(map(len, files)):,} characters")
    units = [unit for text in files for unit in split_into_units(text)]
    windows = [window for text in files for window in cut_windows(text)]
    print(f"complete units, flagged          {measure_false_alarms(units, is_balanced)}")
    print(f"windows, flagged                 {measure_false_alarms(windows, is_balanced_so_far)}")
    units = generator.sample(units, min(len(units), arguments.units))
    windows = generator.sample(windows, min(len(windows), arguments.units))
    for mutate in (insert, delete, substitute):
        print(f"complete units, {mutate.__name__:10} caught {measure_detection(units, mutate, is_balanced)}")
        print(f"windows, {mutate.__name__:10} caught        {measure_detection(windows, mutate, is_balanced_so_far)}")

    share = measure_false_alarms(files, lambda text: not analyze_terminators(text).defects)
    print(f"files with an open terminator    {share}")
    for kind, width in ((TokenKind.COMMENT, 2), (TokenKind.STRING, 1), (TokenKind.CHARACTER, 1)):
        print(f"{kind.name.lower()} without its end, caught {measure_end_detection(units, kind, width)}")

    analyses = [check_indentation(text) for text in files]
    lines, agreeing = sum(found.lines for found in analyses), sum(found.agreeing for found in analyses)
    print(f"indentation, agreement           {100 * agreeing / lines:6.2f}% of {lines:,} lines")

    for analyze in (is_balanced, analyze_terminators, check_indentation):
        print(f"{analyze.__name__:20} {measure_throughput(files, analyze)}")


if __name__ == "__main__":
    main()
