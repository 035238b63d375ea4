"""How well brackets, terminators and indentation of C are judged, on real code that is held out and on mutants of it.

Held out are 5% of the files of Linux, by a hash of their names. Each complete unit with a bracket, and each window of
4,000 characters that begins with a unit, is judged as it is, and once for each kind of mutation at a random place.
Prints the share of real ones that are flagged, the share of mutants that are caught, and throughput in CPU time.

    python benchmarks/c_brackets.py [ARCHIVE.tar.xz] [--units 20000] [--seed 1]
"""

import argparse
import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from seqforge_code_structure.brackets import balanced, balanced_prefix
from seqforge_code_structure.indentation import indentation
from seqforge_code_structure.lexing.structure import Kind, structure
from seqforge_code_structure.terminators import terminators
from seqforge_code_structure.units import split
from seqforge_linux_source.corpus import LinuxSource

HELD_OUT = 0.05
WINDOW = 4_000
ROUNDS = 3


def held_out(archive: Path) -> Iterator[str]:
    """Read the files whose name's hash is below 5%."""
    for document in LinuxSource(source=archive).documents():
        digest = hashlib.blake2b(document.name.encode(), digest_size=8).digest()
        if int.from_bytes(digest, "big") / 2**64 < HELD_OUT:
            yield document.content.decode()


def unit_texts(text: str) -> Iterator[str]:
    """Cut out the units that have a bracket."""
    return (text[unit.start : unit.stop] for unit in split(text) if unit.brackets)


def windows(text: str) -> Iterator[str]:
    """Cut out windows that begin with a unit, and are cut at their end; no two overlap."""
    free = 0
    for unit in split(text):
        if unit.start >= free and unit.start + WINDOW < len(text):
            yield text[unit.start : unit.start + WINDOW]
            free = unit.start + WINDOW


def places(text: str, *kinds: Kind) -> list[tuple[int, int]]:
    """Find the tokens of some kinds outside of directives."""
    return [match.span(kind) for match in structure(text) if (kind := match.lastindex) in kinds and kind is not None]


def insert(text: str, place: int, draw: random.Random) -> str:
    """Put a bracket before another."""
    return text[:place] + draw.choice("()[]{}") + text[place:]


def delete(text: str, place: int, draw: random.Random) -> str:
    """Take a bracket away."""
    return text[:place] + text[place + 1 :]


def substitute(text: str, place: int, draw: random.Random) -> str:
    """Make a bracket another one."""
    return text[:place] + draw.choice([other for other in "()[]{}" if other != text[place]]) + text[place + 1 :]


def caught(texts: list[str], mutate: Callable[[str, int, random.Random], str], right: Callable[[str], bool]) -> str:
    """Mutate each text at one bracket, and count the mutants that are found wrong."""
    draw = random.Random(f"{mutate.__name__}")
    total = found = 0
    for text in texts:
        if brackets := places(text, Kind.BRACKET):
            total += 1
            found += not right(mutate(text, draw.choice(brackets)[0], draw))
    return f"{100 * found / total:6.2f}% of {total:,}"


def ends_caught(texts: list[str], kind: Kind, width: int) -> str:
    """Take the end of a comment, string or character literal away, and count those that are found."""
    draw = random.Random(kind.name)
    total = found = 0
    for text in texts:
        if spans := places(text, kind):
            stop = draw.choice(spans)[1]
            total += 1
            found += bool(terminators(text[: stop - width] + text[stop:]).faults)
    return f"{100 * found / total:6.2f}% of {total:,}"


def throughput(texts: list[str], judge: Callable[[str], object]) -> str:
    """Judge all texts several times; the best round counts."""
    size = sum(len(text.encode()) for text in texts)
    seconds: list[float] = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for text in texts:
            judge(text)
        seconds.append(time.process_time() - start)
    return f"{size / 1e6 / min(seconds):5.1f} MB/s"


def flagged(texts: list[str], right: Callable[[str], bool]) -> str:
    """Count real texts that are found wrong."""
    wrong = sum(not right(text) for text in texts)
    return f"{100 * wrong / len(texts):6.3f}% of {len(texts):,}"


def main() -> None:
    """Measure and print."""
    named = os.environ.get("SEQFORGE_LINUX_SOURCE")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, nargs="?", default=named and Path(named), help="a .tar.xz of Linux")
    parser.add_argument("--units", type=int, default=20_000, help="units and windows that are mutated, at most")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.archive is None or not arguments.archive.is_file():
        parser.error("no archive found; name one, or set SEQFORGE_LINUX_SOURCE")

    files = list(held_out(arguments.archive))
    print(f"{len(files):,} files, {sum(map(len, files)):,} characters")
    draw = random.Random(arguments.seed)
    units = [unit for text in files for unit in unit_texts(text)]
    cuts = [window for text in files for window in windows(text)]
    print(f"complete units, flagged          {flagged(units, balanced)}")
    print(f"windows, flagged                 {flagged(cuts, balanced_prefix)}")
    units = draw.sample(units, min(len(units), arguments.units))
    cuts = draw.sample(cuts, min(len(cuts), arguments.units))
    for mutate in (insert, delete, substitute):
        print(f"complete units, {mutate.__name__:10} caught {caught(units, mutate, balanced)}")
        print(f"windows, {mutate.__name__:10} caught        {caught(cuts, mutate, balanced_prefix)}")

    print(f"files with what is not ended     {flagged(files, lambda text: not terminators(text).faults)}")
    for kind, width in ((Kind.COMMENT, 2), (Kind.STRING, 1), (Kind.CHARACTER, 1)):
        print(f"{kind.name.lower()} without its end, caught {ends_caught(units, kind, width)}")

    judged = [indentation(text) for text in files]
    lines, agreeing = sum(each.lines for each in judged), sum(each.agreeing for each in judged)
    print(f"indentation, agreement           {100 * agreeing / lines:6.2f}% of {lines:,} lines")

    for judge in (balanced, terminators, indentation):
        print(f"{judge.__name__:12} {throughput(files, judge)}")


if __name__ == "__main__":
    main()
