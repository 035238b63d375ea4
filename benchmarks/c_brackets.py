"""Error rates of the analyses of brackets, terminators and indentation, on held-out code and on mutants of it.

5% of the files of Linux are held out, chosen by a hash of their names. Each complete unit with a bracket, and each
window of 4,000 characters that begins with a unit, is checked as it is, and once for each kind of mutation at a random
position. Prints the share of real code that is flagged, the share of mutants that are caught, and the throughput in CPU
time.

    python benchmarks/c_brackets.py [ARCHIVE.tar.xz] [--units 20000] [--seed 1]
"""

import argparse
import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from seqforge_code_structure.indentation import analyze_indentation
from seqforge_code_structure.structure import Kind, scan_text
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import is_balanced, split_units
from seqforge_linux_source.corpus import LinuxSource

HELD_OUT = 0.05
WINDOW = 4_000
ROUNDS = 3


def held_out(archive: Path) -> Iterator[str]:
    """Yield the files for which the hash of the name is below 5%."""
    for document in LinuxSource(source=archive).documents():
        digest = hashlib.blake2b(document.name.encode(), digest_size=8).digest()
        if int.from_bytes(digest, "big") / 2**64 < HELD_OUT:
            yield document.content.decode()


def unit_texts(text: str) -> Iterator[str]:
    """Yield the units that have a bracket."""
    return (text[unit.start : unit.stop] for unit in split_units(text) if unit.brackets)


def windows(text: str) -> Iterator[str]:
    """Yield windows that begin with a unit, are cut at their end, and do not overlap."""
    free = 0
    for unit in split_units(text):
        if unit.start >= free and unit.start + WINDOW < len(text):
            yield text[unit.start : unit.start + WINDOW]
            free = unit.start + WINDOW


def places(text: str, *kinds: Kind) -> list[tuple[int, int]]:
    """Return the spans of the tokens of some kinds outside of directives."""
    return [match.span(kind) for match in scan_text(text) if (kind := match.lastindex) in kinds and kind is not None]


def insert(text: str, place: int, draw: random.Random) -> str:
    """Insert a bracket before another one."""
    return text[:place] + draw.choice("()[]{}") + text[place:]


def delete(text: str, place: int, draw: random.Random) -> str:
    """Delete a bracket."""
    return text[:place] + text[place + 1 :]


def substitute(text: str, place: int, draw: random.Random) -> str:
    """Replace a bracket by another one."""
    return text[:place] + draw.choice([other for other in "()[]{}" if other != text[place]]) + text[place + 1 :]


def caught(texts: list[str], mutate: Callable[[str, int, random.Random], str], accepts: Callable[[str], bool]) -> str:
    """Return the share of texts that are not accepted after the mutation of one bracket."""
    draw = random.Random(f"{mutate.__name__}")
    total = found = 0
    for text in texts:
        if brackets := places(text, Kind.BRACKET):
            total += 1
            found += not accepts(mutate(text, draw.choice(brackets)[0], draw))
    return f"{100 * found / total:6.2f}% of {total:,}"


def ends_caught(texts: list[str], kind: Kind, width: int) -> str:
    """Return the share of texts in which the deleted end of a comment, string or character literal is found."""
    draw = random.Random(kind.name)
    total = found = 0
    for text in texts:
        if spans := places(text, kind):
            stop = draw.choice(spans)[1]
            total += 1
            found += bool(analyze_terminators(text[: stop - width] + text[stop:]).defects)
    return f"{100 * found / total:6.2f}% of {total:,}"


def throughput(texts: list[str], analyze: Callable[[str], object]) -> str:
    """Return the best throughput of several rounds over all texts."""
    size = sum(len(text.encode()) for text in texts)
    seconds: list[float] = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for text in texts:
            analyze(text)
        seconds.append(time.process_time() - start)
    return f"{size / 1e6 / min(seconds):5.1f} MB/s"


def flagged(texts: list[str], accepts: Callable[[str], bool]) -> str:
    """Return the share of real texts that are not accepted."""
    wrong = sum(not accepts(text) for text in texts)
    return f"{100 * wrong / len(texts):6.3f}% of {len(texts):,}"


def prefix_is_balanced(text: str) -> bool:
    """Return whether the brackets of a text that is cut at its end are right as far as they go."""
    return is_balanced(text, end_missing=True)


def main() -> None:
    """Measure and print."""
    named = os.environ.get("SEQFORGE_LINUX_SOURCE")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, nargs="?", default=named and Path(named), help="Linux as .tar.xz")
    parser.add_argument("--units", type=int, default=20_000, help="largest number of units and of windows to mutate")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.archive is None or not arguments.archive.is_file():
        parser.error("no archive found; name one, or set SEQFORGE_LINUX_SOURCE")

    files = list(held_out(arguments.archive))
    print(f"{len(files):,} files, {sum(map(len, files)):,} characters")
    draw = random.Random(arguments.seed)
    units = [unit for text in files for unit in unit_texts(text)]
    cuts = [window for text in files for window in windows(text)]
    print(f"complete units, flagged          {flagged(units, is_balanced)}")
    print(f"windows, flagged                 {flagged(cuts, prefix_is_balanced)}")
    units = draw.sample(units, min(len(units), arguments.units))
    cuts = draw.sample(cuts, min(len(cuts), arguments.units))
    for mutate in (insert, delete, substitute):
        print(f"complete units, {mutate.__name__:10} caught {caught(units, mutate, is_balanced)}")
        print(f"windows, {mutate.__name__:10} caught        {caught(cuts, mutate, prefix_is_balanced)}")

    print(f"files with an open terminator    {flagged(files, lambda text: not analyze_terminators(text).defects)}")
    for kind, width in ((Kind.COMMENT, 2), (Kind.STRING, 1), (Kind.CHARACTER, 1)):
        print(f"{kind.name.lower()} without its end, caught {ends_caught(units, kind, width)}")

    analyses = [analyze_indentation(text) for text in files]
    lines, agreeing = sum(found.lines for found in analyses), sum(found.agreeing for found in analyses)
    print(f"indentation, agreement           {100 * agreeing / lines:6.2f}% of {lines:,} lines")

    for analyze in (is_balanced, analyze_terminators, analyze_indentation):
        print(f"{analyze.__name__:20} {throughput(files, analyze)}")


if __name__ == "__main__":
    main()
