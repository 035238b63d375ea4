"""Measure error rates of the analysis of names, on held-out functions of Linux and on their mutants.

5% of the files are held out, chosen by a hash of their names. The lexicon is built from the other files. Every held-out
function is checked without the file around it, and so is a mutant of it for each kind of mutation that is possible.
Times are CPU times of one core.

    python benchmarks/c_identifiers.py [ARCHIVE.tar.xz] [--part 0.1] [--begin 0.5] [--seed 1]
"""

import argparse
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

from seqforge.data import place

FOLDERS = ("kernel/**", "mm/**", "lib/**", "fs/**", "drivers/net/**")
HELD_OUT = 0.05
SIMPLE_DECLARATION = re.compile(
    r"\s+(?:(?:const|static|struct|union|enum|unsigned|signed|volatile|__\w+)\s+)*\w+[\s*]+\w+(?:\[[^\]]*\])?"
    r"(?:\s*=[^,;]*)?;"
)
RETURNED = re.compile(r"\breturn (\w+);")


@dataclass(frozen=True)
class HeldOutFunction:
    """A held-out function that parses.

    Attributes:
        text: Text of its unit.
        code: Compiled code of the unit.
        unit: Names of the unit.
        names: Names of the function.
        previous_locals: Local variables of the function before it in the file.
    """

    text: str
    code: bytes
    unit: UnitNames
    names: Function
    previous_locals: Sequence[str]

    @property
    def known(self) -> set[str]:
        """All names that the function declares, or uses without declaring them."""
        return {found.name for found in (*self.names.declarations, *self.names.free)}

    @property
    def locals(self) -> list[Declaration]:
        """Local variables that the function uses."""
        return [found for found in self.names.declarations if found.variable and found.used]

    def find_uses(self, declaration: Declaration) -> list[int]:
        """Return the positions after a declaration at which its name occurs, except as the name of a member."""
        after = declaration.start + len(declaration.name)
        pattern = re.compile(rb"(?<![\w.>])" + declaration.name.encode() + rb"\b(?!\s*:)")
        return [match.start() for match in pattern.finditer(self.code, after)]


def replace_name(text: str, start: int, old: str, new: str) -> str:
    """Replace the occurrence of a name at a position by another name."""
    return text[:start] + new + text[start + len(old) :]


Mutant = tuple[str, str]
"""A mutated text, and the name with the error."""


class Mutations:
    """Mutations of a function. Each returns a mutant, or None if the mutation is not possible."""

    def __init__(self, builder: LexiconBuilder, generator: random.Random) -> None:
        names = sorted(name for name in builder.bound if not is_constant(name))
        self._names, self._weights = names, [builder.bound[name] for name in names]
        self._generator = generator

    def draw_name(self, original: HeldOutFunction) -> str:
        """Draw a local variable of the training text, weighted by the number of files that declare it."""
        while (name := self._generator.choices(self._names, self._weights)[0]) in original.known:
            pass
        return name

    def _rename(self, original: HeldOutFunction, new: Callable[[str], str]) -> Mutant | None:
        if not original.locals:
            return None
        local = self._generator.choice(original.locals)
        places = original.find_uses(local)
        name = new(local.name)
        if not places or name in original.known:
            return None
        return replace_name(original.text, self._generator.choice(places), local.name, name), name

    def rename_to_training_local(self, original: HeldOutFunction) -> Mutant | None:
        """Rename one use of a local variable to a local variable of the training text."""
        return self._rename(original, lambda old: self.draw_name(original))

    def rename_to_previous_local(self, original: HeldOutFunction) -> Mutant | None:
        """Rename one use of a local variable to a local variable of the previous function in the file."""
        names = original.previous_locals
        return self._rename(original, lambda old: self._generator.choice(names)) if names else None

    def rename_to_any_local(self, original: HeldOutFunction, locals_: Sequence[str]) -> Mutant | None:
        """Rename one use of a local variable to a local variable of any held-out function."""
        return self._rename(original, lambda old: self._generator.choice(locals_))

    def delete_letter(self, original: HeldOutFunction) -> Mutant | None:
        """Delete a letter from one use of a local variable with at least four letters."""

        def shorten(name: str) -> str:
            position = self._generator.randrange(1, len(name)) if len(name) > 3 else 0
            return name[:position] + name[position + 1 :] if position else name

        return self._rename(original, shorten)

    def delete_declaration(self, original: HeldOutFunction) -> Mutant | None:
        """Delete a line that declares a local variable and nothing else."""
        text = original.text
        for local in self._generator.sample(original.locals, len(original.locals)):
            start, stop = text.rfind("\n", 0, local.start) + 1, text.find("\n", local.start)
            if SIMPLE_DECLARATION.fullmatch(text[start:stop]) and original.find_uses(local):
                return text[:start] + text[stop + 1 :], local.name
        return None

    def return_training_local(self, original: HeldOutFunction) -> Mutant | None:
        """Replace a returned parameter or local variable by a local variable of the training text."""
        declared = {found.name for found in original.names.declarations}
        for match in RETURNED.finditer(original.code.decode()):
            if match[1] in declared:
                name = self.draw_name(original)
                return replace_name(original.text, match.start(1), match[1], name), name
        return None

    def return_name_of_another(self, original: HeldOutFunction, returns: Sequence[str]) -> Mutant | None:
        """Replace a returned parameter or local variable by a name that any held-out function returns."""
        declared = {found.name for found in original.names.declarations}
        name = self._generator.choice(returns)
        for match in RETURNED.finditer(original.code.decode()):
            if match[1] in declared and name not in original.known:
                return replace_name(original.text, match.start(1), match[1], name), name
        return None

    def replace_all_uses(self, original: HeldOutFunction) -> Mutant | None:
        """Replace every use of a local variable by another name of the function."""
        others = [found.name for found in original.names.declarations]
        if not original.locals:
            return None
        local = self._generator.choice(original.locals)
        places = original.find_uses(local)
        others = [name for name in others if name != local.name] or ["jiffies"]
        if not places or local.name in original.unit.mentioned:
            return None
        text, other = original.text, self._generator.choice(others)
        for start in reversed(places):
            text = replace_name(text, start, local.name, other)
        return text, local.name

    def delete_label(self, original: HeldOutFunction) -> Mutant | None:
        """Delete a label that is the target of a jump."""
        if not original.names.jumps:
            return None
        name = self._generator.choice(original.names.jumps)[0]
        match = re.search(rf"^[ \t]*{name}[ \t]*:", original.code.decode(), re.MULTILINE)
        return (original.text[: match.start()] + original.text[match.end() :], name) if match else None


def read_held_out_functions(texts: Iterable[str], counts: Counter[str]) -> Iterator[HeldOutFunction]:
    """Yield the functions of held-out files that parse, and count how many parse with and without rewriting."""
    parser = Parser(LANGUAGE)
    for text in texts:
        previous_locals: list[str] = []
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
                yield HeldOutFunction(own, extract_compiled_code(own).code, names, function, previous_locals)
                previous_locals = [found.name for found in function.declarations if found.variable]


def is_caught(mutant: Mutant, kinds: Sequence[str], lexicon: Lexicon) -> bool | None:
    """Return whether the error of a mutant is found at its name, or None if the mutant does not parse."""
    text, name = mutant
    unit = read_unit(text, 0, len(text))
    if not unit.parses:
        return None
    _, defects = check_names([unit], lexicon)
    return any(defect.kind in kinds and text[defect.start : defect.stop] == name for defect in defects)


def measure_throughput(texts: Sequence[str]) -> float:
    """Return the throughput of `read_unit` in megabytes per second of CPU time, without the division into units."""
    spans = [[(unit.start, unit.stop) for unit in split_units(text)] for text in texts]
    start = time.process_time()
    for text, units in zip(texts, spans, strict=True):
        for span in units:
            read_unit(text, *span)
    return sum(map(len, texts)) / 1e6 / (time.process_time() - start)


def measure_rewriting(texts: Sequence[str]) -> float:
    """Return the throughput of `rewrite` in megabytes per second of CPU time."""
    units = [extract_compiled_code(text[unit.start : unit.stop]).code for text in texts for unit in split_units(text)]
    start = time.process_time()
    for code in units:
        rewrite(code)
    return sum(map(len, units)) / 1e6 / (time.process_time() - start)


def main() -> None:
    """Measure the error rates, and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", nargs="?", default=os.environ.get("SEQFORGE_LINUX_SOURCE"), help="Linux as .tar.xz")
    parser.add_argument("--part", type=float, default=1.0, help="fraction of the training files in the lexicon")
    parser.add_argument("--begin", type=float, default=0.0, help="hash from which on files are held out, from 0 to 1")
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
    originals = list(read_held_out_functions(held_out, counts))
    functions = counts["functions"]
    print(f"held out: {len(held_out):,} files, {functions:,} functions, of which {len(originals):,} are checked")
    for variant in ("as it is", "rewritten"):
        print(f"do not parse, {variant:10} {100 * (1 - counts[variant] / functions):6.2f} %")

    flagged: Counter[str] = Counter()
    for original in originals:
        flagged.update({defect.kind for defect in check_names([original.unit], lexicon)[1]})
    whole: Counter[str] = Counter()
    for text in held_out:
        whole += check_names([read_unit(text, unit.start, unit.stop) for unit in split_units(text)], lexicon)[0]
    print("\nreal functions flagged     alone   in their files")
    for kind in CHECKS:
        alone, together = 100 * flagged[kind] / len(originals), 100 * whole[kind] / whole["scored"]
        print(f"  {kind:20} {alone:9.3f} % {together:9.3f} %")

    mutations = Mutations(builder, random.Random(arguments.seed))
    returns = [
        match[1]
        for original in originals
        for match in RETURNED.finditer(original.code.decode())
        if match[1] in {found.name for found in original.names.declarations}
    ]
    locals_ = [found.name for original in originals for found in original.names.declarations if found.variable]
    either = ("undefined", "undefined_novel")
    rows: list[tuple[str, Callable[[HeldOutFunction], Mutant | None], Sequence[str]]] = [
        ("renamed to a local of the training text", mutations.rename_to_training_local, ("undefined",)),
        (
            "renamed to a local of any held-out function",
            lambda original: mutations.rename_to_any_local(original, locals_),
            ("undefined",),
        ),
        ("renamed to a local of the function before", mutations.rename_to_previous_local, ("undefined",)),
        ("  the same, or novel", mutations.rename_to_previous_local, either),
        ("mistyped", mutations.delete_letter, ("undefined",)),
        ("  the same, or novel", mutations.delete_letter, either),
        ("declaration deleted", mutations.delete_declaration, ("undefined",)),
        ("  the same, or novel", mutations.delete_declaration, either),
        ("returns a local of the training text", mutations.return_training_local, ("returns_undeclared",)),
        (
            "returns what another function returns",
            lambda original: mutations.return_name_of_another(original, returns),
            ("returns_undeclared",),
        ),
        ("uses removed", mutations.replace_all_uses, ("unused",)),
        ("label deleted", mutations.delete_label, ("missing_label",)),
    ]
    print("\nmutants                                     made    caught   of them do not parse")
    for name, mutate, kinds in rows:
        mutants = [mutant for original in originals if (mutant := mutate(original))]
        results = Counter(is_caught(mutant, kinds, lexicon) for mutant in mutants)
        parsed = results[True] + results[False]
        share = 100 * results[True] / parsed if parsed else 0.0
        print(f"  {name:42} {parsed:6,} {share:8.2f} % {results[None]:8,}")

    speed = max(measure_throughput(held_out) for _ in range(3))
    print(f"\nfrom units to names {speed:.2f} MB/s, the rewriting alone {measure_rewriting(held_out):.1f} MB/s")


if __name__ == "__main__":
    main()
