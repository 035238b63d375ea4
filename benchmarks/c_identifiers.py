"""Measure error rates of the analysis of names, on held-out functions of Linux and on their mutants.

The lexicon of Linux leaves out 5% of the files, chosen by a hash of their names. Every function of these files is
checked without the file around it, and so is a mutant of it for each kind of mutation that is possible. The files are
also checked as a whole, by all rules of `seqforge c-structure`. Times are CPU times of one core.

    python -m benchmarks.c_identifiers [ARCHIVE.tar.xz] [--files 200] [--seed 1]
"""

import argparse
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from seqforge_code_structure.compiled_code import read_code
from seqforge_code_structure.defects import RULES
from seqforge_code_structure.findings import analyze
from seqforge_code_structure.identifiers.checks import check_names
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import is_of_kernel, read_linux_lexicon
from seqforge_code_structure.identifiers.parsing import rewrite
from seqforge_code_structure.identifiers.reading import UnitNames, read_unit
from seqforge_code_structure.syntax import LANGUAGE
from seqforge_code_structure.units import split_units
from seqforge_linux_source.corpus import LinuxSource
from tree_sitter import Parser

from benchmarks.c_mutations import NAME_RULES, RETURNED, HeldOutFunction, Mutant, Mutations
from seqforge.data.splits import hash_to_unit_interval

FOLDERS = ("kernel/**", "mm/**", "lib/**", "fs/**", "drivers/net/**")
HELD_OUT = 0.05
"""Share of the files that the lexicon of Linux leaves out."""

REPETITIONS = 2
"""Number of measurements of a throughput, of which the best is printed."""

FAULTS = (1, 2, 4)
"""Numbers of brackets that are deleted."""


def read_held_out_functions(texts: Iterable[str], counts: Counter[str]) -> Iterator[HeldOutFunction]:
    """Yield the functions of texts that parse. Count all of them, and those that parse unchanged and rewritten."""
    parser = Parser(LANGUAGE)
    for text in texts:
        previous_locals: list[str] = []
        units = [read_unit(text, unit) for unit in split_units(text)]
        for number, unit in enumerate(units):
            if not (unit.defines or unit.functions):
                continue
            own = text[unit.start : unit.stop]
            counts["functions"] += 1
            counts["as it is"] += not parser.parse(own.encode()).root_node.has_error
            counts["rewritten"] += unit.parses
            names = read_unit(own)
            if names.parses and len(names.functions) == 1:
                function, others = names.functions[0], [*units[:number], *units[number + 1 :]]
                yield HeldOutFunction(own, names.code, names, function, previous_locals, others)
                previous_locals = [found.name for found in function.declarations if found.variable]


def is_caught(mutant: Mutant, rules: Sequence[str], lexicon: Lexicon, others: Sequence[UnitNames] = ()) -> bool | None:
    """Return whether the error of a mutant is found at its name, or None if the mutant does not parse.

    Without the other units of its file, the mutant is an excerpt.
    """
    text, name = mutant
    unit = read_unit(text)
    if not unit.parses:
        return None
    _, defects = check_names([unit, *others], lexicon, whole=bool(others))
    return any(defect.rule in rules and text[defect.start : defect.stop] == name for defect in defects)


def measure_throughput(texts: Sequence[str], analyze_text: Callable[[str], object]) -> float:
    """Return the best throughput of several repetitions over all texts, in megabytes per second of CPU time."""
    seconds: list[float] = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        for text in texts:
            analyze_text(text)
        seconds.append(time.process_time() - start)
    return sum(map(len, texts)) / 1e6 / min(seconds)


def read_names(text: str) -> None:
    """Read the names of all units of a text."""
    for unit in split_units(text):
        read_unit(text, unit)


def check_files(names: Sequence[str], texts: Sequence[str], lexicon: Lexicon, shown: int) -> None:
    """Print how many files have no finding, and the first findings in a random order."""
    files: Counter[str] = Counter()
    lines: list[str] = []
    for name, text in zip(names, texts, strict=True):
        found = analyze(text, None if is_of_kernel(text) else lexicon)
        found = [defect for defect in found if RULES[defect.rule].default]
        files["clean"] += not found
        files.update({defect.rule for defect in found})
        for defect in found:
            start = text.rfind("\n", 0, defect.start) + 1
            line = text[start : text.find("\n", defect.start)].strip()
            lines.append(f"  {name}:{text.count(chr(10), 0, defect.start) + 1}: {defect.message}: {line}")
    print(f"\nfiles without a finding      {files.pop('clean')} of {len(texts)}")
    for rule, number in files.most_common():
        print(f"  files with {rule:20} {number}")
    for line in random.Random(1).sample(lines, min(shown, len(lines))):
        print(line)


def measure_bracket_faults(originals: Sequence[HeldOutFunction], mutations: Mutations, lexicon: Lexicon) -> None:
    """Print what is found in functions without a finding after some of their brackets are deleted."""
    clean = [original for original in originals if not check_names([original.unit], lexicon)[1]]
    print("\ndeleted brackets    functions   found  unread code" + "".join(f"{rule:>20}" for rule in NAME_RULES))
    for faults in FAULTS:
        counts: Counter[str] = Counter()
        made = 0
        for original in clean:
            if text := mutations.delete_brackets(original, faults):
                made += 1
                checked, _ = check_names([read_unit(text, unit) for unit in split_units(text)], lexicon)
                counts += Counter({**checked, "scored": min(checked["scored"], 1)})
        shares = "".join(f"{100 * counts[rule] / made:18.2f} %" for rule in NAME_RULES)
        unread = 100 * counts["unread"] / counts["characters"]
        print(f"  {faults:16} {made:10,} {100 * counts['scored'] / made:6.1f}% {unread:10.2f} % {shares}")


def main() -> None:
    """Measure the error rates, and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", nargs="?", default=os.environ.get("SEQFORGE_LINUX_SOURCE"), help="Linux as .tar.xz")
    parser.add_argument("--files", type=int, help="number of held-out files, chosen at random (default: all)")
    parser.add_argument("--skip", type=int, default=0, help="number of files of the random order to leave out")
    parser.add_argument("--everywhere", action="store_true", help=f"all folders, instead of {', '.join(FOLDERS)}")
    parser.add_argument("--show", type=int, default=0, help="number of findings in unchanged files to print")
    parser.add_argument("--seed", type=int, default=1, help="seed of the files and the mutations")
    arguments = parser.parse_args()
    if not arguments.archive or not Path(arguments.archive).is_file():
        parser.error("no archive found; name one, or set SEQFORGE_LINUX_SOURCE")

    include = ("**",) if arguments.everywhere else FOLDERS
    corpus = LinuxSource(source=Path(arguments.archive), include=include, suffixes=(".c",))
    documents = [found for found in corpus.documents() if hash_to_unit_interval(found.name) < HELD_OUT]
    generator = random.Random(arguments.seed)
    documents.sort(key=lambda document: document.name)
    generator.shuffle(documents)
    documents = documents[arguments.skip :][: arguments.files]
    held_out = [document.content.decode() for document in documents]
    lexicon = read_linux_lexicon()
    print(f"lexicon: {lexicon.files:,} files")
    check_files([document.name for document in documents], held_out, lexicon, arguments.show)

    counts: Counter[str] = Counter()
    originals = list(read_held_out_functions(held_out, counts))
    functions = counts["functions"]
    print(f"\nheld out: {len(held_out):,} files, {functions:,} functions, of which {len(originals):,} are checked")
    for variant in ("as it is", "rewritten"):
        print(f"do not parse, {variant:10} {100 * (1 - counts[variant] / functions):6.2f} %")

    flagged: Counter[str] = Counter()
    together: Counter[str] = Counter()
    for original in originals:
        flagged.update({defect.rule for defect in check_names([original.unit], lexicon)[1]})
    for text in held_out:
        units = [read_unit(text, unit) for unit in split_units(text)]
        together += check_names(units, lexicon, whole=True)[0]
    print("\nreal functions flagged     alone   in their files")
    for rule in NAME_RULES:
        alone, whole = 100 * flagged[rule] / len(originals), 100 * together[rule] / together["scored"]
        print(f"  {rule:20} {alone:9.3f} % {whole:9.3f} %")

    locals_ = [found.name for original in originals for found in original.names.declarations if found.variable]
    mutations = Mutations(lexicon, locals_, generator)
    measure_bracket_faults(originals, mutations, lexicon)
    measure_mutations(originals, mutations, lexicon)
    names, rewriting = measure_throughput(held_out, read_names), measure_throughput(held_out, measure_rewriting)
    everything = measure_throughput(held_out, lambda text: analyze(text, lexicon))
    print(f"\nnames {names:.2f} MB/s, extraction and rewriting alone {rewriting:.1f} MB/s, all {everything:.2f} MB/s")


def measure_rewriting(text: str) -> None:
    """Rewrite all units of a text, as far as code that parses needs it."""
    code = read_code(text).code
    for unit in split_units(text):
        rewrite(code[unit.start : unit.stop])


def measure_mutations(originals: Sequence[HeldOutFunction], mutations: Mutations, lexicon: Lexicon) -> None:
    """Print the share of the mutants of each kind that is found, alone and in their files."""
    returns = [
        match[1]
        for original in originals
        for match in RETURNED.finditer(original.code.decode())
        if match[1] in {found.name for found in original.names.declarations}
    ]
    undefined = ("undefined-name", "undefined-return")
    rows: list[tuple[str, Callable[[HeldOutFunction], Mutant | None], Sequence[str]]] = [
        ("renamed to a known local", mutations.rename_to_training_local, undefined),
        ("renamed to a local of any held-out function", mutations.rename_to_any_local, undefined),
        ("renamed to a local of the function before", mutations.rename_to_previous_local, undefined),
        ("  the same, or novel", mutations.rename_to_previous_local, (*undefined, "novel-name")),
        ("mistyped", mutations.delete_letter, undefined),
        ("  the same, or novel", mutations.delete_letter, (*undefined, "novel-name")),
        ("declaration deleted", mutations.delete_declaration, undefined),
        ("returns a known local", mutations.return_training_local, ("undefined-return",)),
        (
            "returns what another function returns",
            lambda original: mutations.return_name_of_another(original, returns),
            ("undefined-return",),
        ),
        ("uses removed", mutations.replace_all_uses, ("unused-variable",)),
        ("label deleted", mutations.delete_label, ("undefined-label",)),
    ]
    print("\nmutants                                          made    alone   in their files")
    for name, mutate, rules in rows:
        mutants = [(mutant, original) for original in originals if (mutant := mutate(original))]
        alone = Counter(is_caught(mutant, rules, lexicon) for mutant, _ in mutants)
        whole = Counter(is_caught(mutant, rules, lexicon, original.others) for mutant, original in mutants)
        parsed = alone[True] + alone[False]
        shares = [100 * results[True] / parsed if parsed else 0.0 for results in (alone, whole)]
        print(f"  {name:45} {parsed:6,} {shares[0]:8.2f} % {shares[1]:8.2f} %")


if __name__ == "__main__":
    main()
