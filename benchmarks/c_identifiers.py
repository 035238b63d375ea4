"""Error rates of the analysis of identifiers, on held-out functions of Linux and on mutants of them.

5% of the files are held out, chosen by a hash of their names; the lexicon is built from the others. Every held-out
function is checked by itself, without the file around it, and so is one mutant of it for each kind of mutation that
applies. Times are CPU times of one core.

    python benchmarks/c_identifiers.py [ARCHIVE.tar.xz] [--part 0.1] [--begin 0.5] [--seed 1]
"""

import argparse
import hashlib
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqforge_code_structure.identifiers.checks import CHECKS, check_names
from seqforge_code_structure.identifiers.compiled_code import extract_compiled_code
from seqforge_code_structure.identifiers.grammar import LANGUAGE
from seqforge_code_structure.identifiers.lexicon import Lexicon, LexiconBuilder, is_constant, read_pieces
from seqforge_code_structure.identifiers.names import Declaration, Function
from seqforge_code_structure.identifiers.reading import UnitNames, read_unit
from seqforge_code_structure.identifiers.rewriting import rewrite
from seqforge_code_structure.units import split_units
from seqforge_linux_source.corpus import LinuxSource
from tree_sitter import Parser

FOLDERS = ("kernel/**", "mm/**", "lib/**", "fs/**", "drivers/net/**")
HELD_OUT = 0.05
SIMPLE_DECLARATION = re.compile(
    r"\s+(?:(?:const|static|struct|union|enum|unsigned|signed|volatile|__\w+)\s+)*\w+[\s*]+\w+(?:\[[^\]]*\])?"
    r"(?:\s*=[^,;]*)?;"
)
RETURNED = re.compile(r"\breturn (\w+);")


@dataclass(frozen=True)
class Real:
    """A held-out function that parses.

    Attributes:
        text: Text of its unit.
        code: Compiled code of the unit.
        unit: Names of the unit.
        function: Names of the function.
        neighbor: Local variables of the function before it in the file.
    """

    text: str
    code: bytes
    unit: UnitNames
    function: Function
    neighbor: Sequence[str]

    @property
    def known(self) -> set[str]:
        """All names that it declares or uses undeclared."""
        return {found.name for found in (*self.function.declarations, *self.function.free)}

    @property
    def locals(self) -> list[Declaration]:
        """Local variables that it uses."""
        return [found for found in self.function.declarations if found.variable and found.used]

    def uses(self, declaration: Declaration) -> list[int]:
        """Return the positions after the declaration at which the name occurs, other than as a member."""
        after = declaration.start + len(declaration.name)
        pattern = re.compile(rb"(?<![\w.>])" + declaration.name.encode() + rb"\b(?!\s*:)")
        return [match.start() for match in pattern.finditer(self.code, after)]


def place(name: str) -> float:
    """Return a hash of a name in [0, 1)."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64


def replaced(text: str, start: int, old: str, new: str) -> str:
    """Replace one occurrence of a name by another name."""
    return text[:start] + new + text[start + len(old) :]


Mutant = tuple[str, str]
"""A mutated text, and the name that is now wrong."""


class Mutations:
    """Mutations of a function. Each returns a mutant, or None if it does not apply."""

    def __init__(self, builder: LexiconBuilder, chance: random.Random) -> None:
        names = sorted(name for name in builder.bound if not is_constant(name))
        self._names, self._weights = names, [builder.bound[name] for name in names]
        self._chance = chance

    def drawn(self, real: Real) -> str:
        """Draw a local variable of the training text, weighted by its number of files."""
        while (name := self._chance.choices(self._names, self._weights)[0]) in real.known:
            pass
        return name

    def _renamed(self, real: Real, new: Callable[[str], str]) -> Mutant | None:
        if not real.locals:
            return None
        local = self._chance.choice(real.locals)
        places = real.uses(local)
        name = new(local.name)
        if not places or name in real.known:
            return None
        return replaced(real.text, self._chance.choice(places), local.name, name), name

    def renamed(self, real: Real) -> Mutant | None:
        """Rename one use of a local variable to a local variable of the training text."""
        return self._renamed(real, lambda old: self.drawn(real))

    def neighbors(self, real: Real) -> Mutant | None:
        """Rename one use of a local variable to a local variable of the function before."""
        return self._renamed(real, lambda old: self._chance.choice(real.neighbor)) if real.neighbor else None

    def others(self, real: Real, locals_: Sequence[str]) -> Mutant | None:
        """Rename one use of a local variable to a local variable of any held-out function."""
        return self._renamed(real, lambda old: self._chance.choice(locals_))

    def mistyped(self, real: Real) -> Mutant | None:
        """Delete a letter from one use of a local variable with at least four letters."""

        def shorter(name: str) -> str:
            position = self._chance.randrange(1, len(name)) if len(name) > 3 else 0
            return name[:position] + name[position + 1 :] if position else name

        return self._renamed(real, shorter)

    def undeclared(self, real: Real) -> Mutant | None:
        """Delete a line that declares a local variable and nothing else."""
        text = real.text
        for local in self._chance.sample(real.locals, len(real.locals)):
            start, stop = text.rfind("\n", 0, local.start) + 1, text.find("\n", local.start)
            if SIMPLE_DECLARATION.fullmatch(text[start:stop]) and text.count(local.name) > 1 and real.uses(local):
                return text[:start] + text[stop + 1 :], local.name
        return None

    def returned(self, real: Real) -> Mutant | None:
        """Replace a returned parameter or local variable by a local variable of the training text."""
        declared = {found.name for found in real.function.declarations}
        for match in RETURNED.finditer(real.code.decode()):
            if match[1] in declared:
                name = self.drawn(real)
                return replaced(real.text, match.start(1), match[1], name), name
        return None

    def returned_by_another(self, real: Real, returns: Sequence[str]) -> Mutant | None:
        """Replace a returned parameter or local variable by a name that any held-out function returns."""
        declared = {found.name for found in real.function.declarations}
        name = self._chance.choice(returns)
        for match in RETURNED.finditer(real.code.decode()):
            if match[1] in declared and name not in real.known:
                return replaced(real.text, match.start(1), match[1], name), name
        return None

    def unused(self, real: Real) -> Mutant | None:
        """Replace every use of a local variable by another name of the function."""
        others = [found.name for found in real.function.declarations]
        if not real.locals:
            return None
        local = self._chance.choice(real.locals)
        places = real.uses(local)
        others = [name for name in others if name != local.name] or ["jiffies"]
        if not places or local.name in real.unit.mentioned:
            return None
        text, other = real.text, self._chance.choice(others)
        for start in reversed(places):
            text = replaced(text, start, local.name, other)
        return text, local.name

    def unlabelled(self, real: Real) -> Mutant | None:
        """Delete a label that is the target of a jump."""
        if not real.function.jumps:
            return None
        name = self._chance.choice(real.function.jumps)[0]
        match = re.search(rf"^[ \t]*{name}[ \t]*:", real.code.decode(), re.MULTILINE)
        return (real.text[: match.start()] + real.text[match.end() :], name) if match else None


def held_out_functions(texts: Iterable[str], counts: Counter[str]) -> Iterator[Real]:
    """Yield the functions of held-out files that parse, and count those that parse with and without rewriting."""
    parser = Parser(LANGUAGE)
    for text in texts:
        neighbor: list[str] = []
        for unit in split_units(text):
            own = text[unit.start : unit.stop]
            names = read_unit(own, 0, len(own))
            if not (names.defines or names.functions):
                continue
            counts["functions"] += 1
            counts["as it is"] += not parser.parse(own.encode()).root_node.has_error
            counts["rewritten"] += names.parses
            if names.parses and len(names.functions) == 1:
                function = names.functions[0]
                yield Real(own, extract_compiled_code(own).code, names, function, neighbor)
                neighbor = [found.name for found in function.declarations if found.variable]


def caught(mutant: Mutant, kinds: Sequence[str], lexicon: Lexicon) -> bool | None:
    """Return whether the error of a mutant is found at its name, or None if it does not parse."""
    text, name = mutant
    unit = read_unit(text, 0, len(text))
    if not unit.parses:
        return None
    _, defects = check_names([unit], lexicon)
    return any(defect.kind in kinds and text[defect.start : defect.stop] == name for defect in defects)


def throughput(texts: Sequence[str]) -> float:
    """Return the megabytes of units per second of CPU time that are read, without dividing the text into units."""
    spans = [[(unit.start, unit.stop) for unit in split_units(text)] for text in texts]
    start = time.process_time()
    for text, units in zip(texts, spans, strict=True):
        for span in units:
            read_unit(text, *span)
    return sum(map(len, texts)) / 1e6 / (time.process_time() - start)


def rewriting_throughput(texts: Sequence[str]) -> float:
    """Return the megabytes per second of CPU time that are rewritten."""
    units = [extract_compiled_code(text[unit.start : unit.stop]).code for text in texts for unit in split_units(text)]
    start = time.process_time()
    for code in units:
        rewrite(code)
    return sum(map(len, units)) / 1e6 / (time.process_time() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", nargs="?", default=os.environ.get("SEQFORGE_LINUX_SOURCE"), help="Linux as .tar.xz")
    parser.add_argument("--part", type=float, default=1.0, help="fraction of the training files in the lexicon")
    parser.add_argument("--begin", type=float, default=0.0, help="smallest hash of the held-out files")
    parser.add_argument("--seed", type=int, default=1, help="seed of the mutations")
    arguments = parser.parse_args()
    if not arguments.archive or not Path(arguments.archive).is_file():
        parser.error("no archive found; name one, or set SEQFORGE_LINUX_SOURCE")

    corpus = LinuxSource(source=Path(arguments.archive), include=FOLDERS, suffixes=(".c",))
    builder, held_out = LexiconBuilder(), list[str]()
    files = characters = 0
    seconds = 0.0
    for document in corpus.documents():
        text = document.content.decode()
        where = (place(document.name) - arguments.begin) % 1
        if where < HELD_OUT:
            held_out.append(text)
        elif (where - HELD_OUT) / (1 - HELD_OUT) < arguments.part:
            start = time.process_time()
            for piece in read_pieces(text):
                builder.add(piece)
            seconds += time.process_time() - start
            files, characters = files + 1, characters + len(text)
    lexicon = builder.build(files)
    print(f"lexicon: {files:,} files, {characters / 1e6:.1f} MB, {len(lexicon.counts):,} names, {seconds:.1f} s of CPU")

    counts: Counter[str] = Counter()
    reals = list(held_out_functions(held_out, counts))
    functions = counts["functions"]
    print(f"held out: {len(held_out):,} files, {functions:,} functions, of which {len(reals):,} are checked")
    for how in ("as it is", "rewritten"):
        print(f"do not parse, {how:10} {100 * (1 - counts[how] / functions):6.2f} %")

    flagged: Counter[str] = Counter()
    for real in reals:
        flagged.update({defect.kind for defect in check_names([real.unit], lexicon)[1]})
    whole: Counter[str] = Counter()
    for text in held_out:
        whole += check_names([read_unit(text, unit.start, unit.stop) for unit in split_units(text)], lexicon)[0]
    print("\nreal functions flagged     alone   in their files")
    for kind in CHECKS:
        alone, together = 100 * flagged[kind] / len(reals), 100 * whole[kind] / whole["scored"]
        print(f"  {kind:20} {alone:9.3f} % {together:9.3f} %")

    mutations = Mutations(builder, random.Random(arguments.seed))
    returns = [
        match[1]
        for real in reals
        for match in RETURNED.finditer(real.code.decode())
        if match[1] in {found.name for found in real.function.declarations}
    ]
    locals_ = [found.name for real in reals for found in real.function.declarations if found.variable]
    either = ("undefined", "undefined_novel")
    rows: list[tuple[str, Callable[[Real], Mutant | None], Sequence[str]]] = [
        ("renamed to a local of the training text", mutations.renamed, ("undefined",)),
        ("renamed to a local of any held-out function", lambda real: mutations.others(real, locals_), ("undefined",)),
        ("renamed to a local of the function before", mutations.neighbors, ("undefined",)),
        ("  the same, or novel", mutations.neighbors, either),
        ("mistyped", mutations.mistyped, ("undefined",)),
        ("  the same, or novel", mutations.mistyped, either),
        ("declaration deleted", mutations.undeclared, ("undefined",)),
        ("  the same, or novel", mutations.undeclared, either),
        ("returns a local of the training text", mutations.returned, ("returns_undeclared",)),
        (
            "returns what another function returns",
            lambda real: mutations.returned_by_another(real, returns),
            ("returns_undeclared",),
        ),
        ("uses removed", mutations.unused, ("unused",)),
        ("label deleted", mutations.unlabelled, ("missing_label",)),
    ]
    print("\nmutants                                     made    caught   of them do not parse")
    for name, mutate, kinds in rows:
        mutants = [mutant for real in reals if (mutant := mutate(real))]
        results = Counter(caught(mutant, kinds, lexicon) for mutant in mutants)
        parsed = results[True] + results[False]
        share = 100 * results[True] / parsed if parsed else 0.0
        print(f"  {name:42} {parsed:6,} {share:8.2f} % {results[None]:8,}")

    speed = max(throughput(held_out) for _ in range(3))
    print(f"\nfrom units to names {speed:.2f} MB/s, the rewriting alone {rewriting_throughput(held_out):.1f} MB/s")


if __name__ == "__main__":
    main()
