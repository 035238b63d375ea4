"""Which errors are found: mutants of functions that gcc accepts, once what they lack is declared, and then rejects."""

import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from seqforge_code_structure.compiled_code import read_code
from seqforge_code_structure.compiler import blank_directives, find_compiler
from seqforge_code_structure.declarations.inference import accept_unit
from seqforge_code_structure.findings import analyze
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import is_of_kernel, read_linux_lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_unit
from seqforge_code_structure.units import split_units

from benchmarks.c_mutations import SIMPLE_DECLARATION, HeldOutFunction, Mutations
from benchmarks.c_structure.sources import Source

_OPTIONS = "-x c -std=gnu11 -fsyntax-only -nostdinc -fmax-errors=1 -Wno-implicit-function-declaration"
_WARNINGS = ["-Werror=unused-variable", "-Werror=unused-label"]

Mutate = Callable[[HeldOutFunction], str | None]
"""A mutation of a function, which returns the text of its unit, or None if it is not possible."""


def list_mutations(mutations: Mutations, generator: random.Random) -> dict[str, Mutate]:
    """Return the mutations by their descriptions."""

    def first(mutate: Callable[[HeldOutFunction], tuple[str, str] | None]) -> Mutate:
        return lambda original: (mutant := mutate(original)) and mutant[0]

    def repeat_declaration(original: HeldOutFunction) -> str | None:
        text = original.text
        for local in generator.sample(original.locals, len(original.locals)):
            start, stop = text.rfind("\n", 0, local.start) + 1, text.find("\n", local.start)
            if SIMPLE_DECLARATION.fullmatch(text[start:stop]):
                return f"{text[: stop + 1]}{text[start:stop]}\n{text[stop + 1 :]}"
        return None

    def delete_semicolon(original: HeldOutFunction) -> str | None:
        places = [place for place, byte in enumerate(original.code) if byte == ord(";")]
        place = generator.choice(places) if places else 0
        return original.text[:place] + original.text[place + 1 :] if place else None

    return {
        "a bracket deleted": lambda original: mutations.delete_brackets(original, 1),
        "a semicolon deleted": delete_semicolon,
        "a use renamed to another local variable": first(mutations.rename_to_any_local),
        "a letter of a use deleted": first(mutations.delete_letter),
        "a declaration deleted": first(mutations.delete_declaration),
        "a declaration repeated": repeat_declaration,
        "all uses of a variable replaced": first(mutations.replace_all_uses),
        "a label deleted": first(mutations.delete_label),
    }


def compiles(declarations: str, text: str) -> bool:
    """Return whether gcc accepts a unit with declarations before it, and sees no unused variable or label."""
    code = blank_directives(read_code(text).code)
    command = [str(find_compiler()), *_OPTIONS.split(), *_WARNINGS, "-"]
    return subprocess.run(command, input=declarations.encode() + code, capture_output=True).returncode == 0


def find_originals(source: Source, most: int, generator: random.Random) -> Iterator[tuple[HeldOutFunction, str]]:
    """Yield some functions of a file that gcc accepts, with the declarations that they need."""
    text = source.text
    parts = list(split_units(text))
    units = [read_unit(text, part) for part in parts]
    for number in generator.sample(range(len(units)), len(units)):
        unit, part = units[number], text[parts[number].start : parts[number].stop]
        if not unit.parses or len(unit.functions) != 1 or len(part) > 10_000:
            continue
        accepted = accept_unit(part, find_compiler())
        if accepted.accepted and compiles(accepted.declarations, part):
            alone = read_unit(part)
            yield _describe(alone, part, units[:number] + units[number + 1 :]), accepted.declarations
            if (most := most - 1) == 0:
                return


def _describe(unit: UnitNames, text: str, others: Sequence[UnitNames]) -> HeldOutFunction:
    return HeldOutFunction(text, unit.code, unit, unit.functions[0], (), others)


def measure_recall(sources: Sequence[Source], project: Lexicon | None, each: int) -> Counter[tuple[str, str]]:
    """Return, for each mutation, the mutants that gcc rejects and those that are found.

    Args:
        sources: Files.
        project: Lexicon of the project, or None if the default is its own.
        each: Largest number of functions of a file.
    """
    generator = random.Random(1)
    counts: Counter[tuple[str, str]] = Counter()
    originals = [(source, *found) for source in sources for found in find_originals(source, each, generator)]
    names = [found.name for _, original, _ in originals for found in original.locals]
    if not names:
        return counts
    mutations = list_mutations(Mutations(read_linux_lexicon(), names, generator), generator)
    for source, original, declarations in originals:
        text = source.text
        default = read_linux_lexicon() if is_of_kernel(text) else None
        lexicons = {"default": default, "project": project} if project else {"default": default}
        before = {name: _find_messages(text, lexicon) for name, lexicon in lexicons.items()}
        for kind, mutate in mutations.items():
            mutant = mutate(original)
            if mutant is None or mutant == original.text or compiles(declarations, mutant):
                continue
            counts[kind, "rejected"] += 1
            mutated = text.replace(original.text, mutant, 1)
            for name, lexicon in lexicons.items():
                counts[kind, name] += bool(_find_messages(mutated, lexicon) - before[name])
    return counts


def _find_messages(text: str, lexicon: Lexicon | None) -> Counter[tuple[str, str]]:
    return Counter((found.rule, found.message) for found in analyze(text, lexicon))
