"""Fit the weights of the evidence for undeclared names in excerpts, and print what they find and falsely report.

The lexicon is built without 15% of the files, chosen by a hash of their names. The first third of these is never read:
`benchmarks.c_identifiers` measures on it. The weights are fitted to the functions of the second third, and the table is
that of the last third. Right names are the undeclared names of unchanged functions. Wrong names are those of mutants.

    python -m benchmarks.c_name_evidence [ARCHIVE.tar.xz] [--lexicon FILE]
"""

import argparse
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import torch
from seqforge_code_structure.identifiers.checks import find_candidates
from seqforge_code_structure.identifiers.context import Context
from seqforge_code_structure.identifiers.evidence import WEIGHTS, Evidence, collect_evidence
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_building import build_lexicon, count_names
from seqforge_code_structure.identifiers.lexicon_file import read_lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_unit
from seqforge_linux_source.corpus import LinuxSource

from benchmarks.c_identifiers import FOLDERS, HELD_OUT, read_held_out_functions
from benchmarks.c_mutations import HeldOutFunction, Mutations
from seqforge.data.splits import hash_to_unit_interval

FITTED, TESTED = 2 * HELD_OUT, 3 * HELD_OUT
"""Hashes of names at which the files for fitting and for the table end."""

REGULARIZATION = 1.0
"""Weight of half the squared norm of the standardized weights in the loss."""

REPORTED = (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.9)
"""Percentages of real functions that are reported, for the rows of the table."""


class Case(NamedTuple):
    """An undeclared name of a function.

    Attributes:
        kind: `real` for an unchanged function, or the kind of the mutant.
        number: Number of the function.
        evidence: Evidence for the name.
    """

    kind: str
    number: int
    evidence: Evidence


def find_cases(texts: list[str], lexicon: Lexicon, generator: random.Random) -> tuple[list[Case], Counter[str]]:
    """Return the undeclared names of all functions and mutants, and the numbers of functions of each kind."""
    originals = list(read_held_out_functions(texts, Counter()))
    locals_ = [found.name for original in originals for found in original.names.declarations if found.variable]
    mutations = Mutations(lexicon, locals_, generator)
    cases: list[Case] = []
    made: Counter[str] = Counter()
    for number, original in enumerate(originals):
        made["real"] += 1
        cases += [Case("real", number, found) for found in find_evidence(original.unit, lexicon).values()]
        for kind, name, unit in mutate(original, mutations):
            made[kind] += 1
            if found := find_evidence(unit, lexicon).get(name):
                cases.append(Case(kind, number, found))
    return cases, made


def mutate(original: HeldOutFunction, mutations: Mutations) -> Iterator[tuple[str, str, UnitNames]]:
    """Yield the kind, the wrong name, and the names of each mutant that parses."""
    for kind, change in (
        ("previous", mutations.rename_to_previous_local),
        ("any", mutations.rename_to_any_local),
        ("deleted", mutations.delete_declaration),
    ):
        if mutant := change(original):
            unit = read_unit(mutant[0])
            if unit.parses:
                yield kind, mutant[1], unit


def find_evidence(unit: UnitNames, lexicon: Lexicon) -> dict[str, Evidence]:
    """Return the evidence for the undeclared names of a unit with one function, without the file around it."""
    context = Context.of([unit], lexicon, strict=False, whole=False)
    candidates = [use for function in unit.functions for use in find_candidates(function, unit, context)]
    return collect_evidence(candidates, unit.functions[0], unit, context.free, lexicon) if unit.functions else {}


def fit_weights(cases: list[Case]) -> dict[str, float]:
    """Return the weights of a logistic regression, with a penalty on the weights of standardized evidence."""
    values = torch.tensor([[case.evidence[kind] for kind in WEIGHTS] for case in cases], dtype=torch.float64)
    wrong = torch.tensor([case.kind != "real" for case in cases], dtype=torch.float64)
    scale = values.std(0)
    scale[0] = 1
    weights = torch.zeros(len(WEIGHTS), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe")

    def compute_loss() -> torch.Tensor:
        optimizer.zero_grad()
        log_odds = values / scale @ weights
        loss = torch.nn.functional.binary_cross_entropy_with_logits(log_odds, wrong, reduction="sum")
        loss = loss + REGULARIZATION / 2 * weights[1:].square().sum()
        loss.backward()
        return loss

    optimizer.step(compute_loss)  # pyright: ignore[reportArgumentType]
    return dict(zip(WEIGHTS, cast("list[float]", (weights.detach() / scale).tolist()), strict=True))


def print_table(cases: list[Case], made: Counter[str], weights: dict[str, float]) -> None:
    """Print the shares of mutants that are found at several shares of real functions that are reported."""
    log_odds = [sum(weight * case.evidence[kind] for kind, weight in weights.items()) for case in cases]
    highest: dict[int, float] = {}
    for case, value in zip(cases, log_odds, strict=True):
        if case.kind == "real":
            highest[case.number] = max(value, highest.get(case.number, value))
    ordered = sorted(highest.values(), reverse=True)
    kinds = [kind for kind in made if kind != "real"]
    print("\nlog-odds  reported" + "".join(f"{kind:>10}" for kind in kinds))
    for percentage in REPORTED:
        limit = ordered[round(percentage * made["real"] / 100) - 1]
        found = Counter(case.kind for case, value in zip(cases, log_odds, strict=True) if value >= limit)
        print(f"{limit:8.2f} {percentage:8.1f}%" + "".join(f"{100 * found[kind] / made[kind]:9.1f}%" for kind in kinds))


def main() -> None:
    """Fit the weights, and print them and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", nargs="?", default=os.environ.get("SEQFORGE_LINUX_SOURCE"), help="Linux as .tar.xz")
    parser.add_argument("--lexicon", type=Path, help="lexicon of all C files that have a hash above 0.15, to save time")
    parser.add_argument("--seed", type=int, default=3, help="seed of the mutations")
    arguments = parser.parse_args()
    if not arguments.archive or not Path(arguments.archive).is_file():
        parser.error("no archive found; name one, or set SEQFORGE_LINUX_SOURCE")

    archive = Path(arguments.archive)
    if arguments.lexicon:
        lexicon = read_lexicon(arguments.lexicon)
    else:
        names = (
            count_names(document.content.decode("utf-8", "replace"))
            for document in LinuxSource(source=archive, include=("**",), suffixes=(".c",)).documents()
            if hash_to_unit_interval(document.name) >= TESTED
        )
        lexicon = build_lexicon(names, fewest_files=2)
    texts: dict[bool, list[str]] = {False: [], True: []}
    for document in LinuxSource(source=archive, include=FOLDERS, suffixes=(".c",)).documents():
        if HELD_OUT <= (place := hash_to_unit_interval(document.name)) < TESTED:
            texts[place < FITTED].append(document.content.decode())

    generator = random.Random(arguments.seed)
    cases, made = find_cases(texts[True], lexicon, generator)
    weights = fit_weights(cases)
    print(f"{len(texts[True]):,} files, {made['real']:,} functions, {len(cases):,} undeclared names")
    for name, weight in weights.items():
        print(f"  {name:18} {weight:6.2f}")
    cases, made = find_cases(texts[False], lexicon, generator)
    print_table(cases, made, weights)


if __name__ == "__main__":
    main()
