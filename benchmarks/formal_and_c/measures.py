"""The score of a cell in formal tasks, and the errors in the C of a model with this cell."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from seqforge_code_structure.identifiers.checks import check_names, count_cases
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.units import split_units
from seqforge_formal.study import Trial, read_accuracies

from benchmarks.bracket_distances.pairs import find_pairs
from benchmarks.c_learning.scores import Pair, Share, add_counts

DISTANCES = ((1, 15), (16, 63), (64, 255))
"""Numbers of characters from the innermost open bracket to a closing one."""

FUNCTIONS, VARIABLES = "functions with an undefined name", "variables that nothing declares"


def read_study(folder: Path) -> dict[str, dict[tuple[str, int], float]]:
    """Return the median accuracies in the folder of a study, by cell, and by task and upper limit of the lengths."""
    trials = [
        Trial(path.parent.name, path.parent.parent.name, int(path.name.removeprefix("seed-")), {}, path)
        for path in sorted(folder.glob("*/*/seed-*/"))
    ]
    accuracies: dict[str, dict[tuple[str, int], float]] = {}
    for (task, cell, limit), seeds in read_accuracies(trials).items():
        accuracies.setdefault(cell, {})[task, limit] = median(seeds)
    return accuracies


def measure_brackets(texts: Sequence[str]) -> Mapping[str, Share]:
    """Return the share of closing brackets of another kind than the innermost open one, by the distance from it."""
    return add_counts([_count_brackets(text) for text in texts])


def _count_brackets(text: str) -> dict[str, Pair]:
    counts: dict[str, Pair] = {}
    pairs = find_pairs(text)
    for shortest, longest in DISTANCES:
        matches = [pair.matches for pair in pairs if shortest <= pair.distance <= longest]
        counts[f"brackets wrong after {shortest} to {longest} characters"] = matches.count(False), len(matches)
    return counts


def measure_names(texts: Sequence[str], lexicon: Lexicon) -> Mapping[str, Share]:
    """Return the share of functions with an undefined name, and that of the names of variables which nothing declares.

    Args:
        texts: Texts that begin with a unit.
        lexicon: Lexicon of the training text.
    """
    return add_counts([_count_names(text, lexicon) for text in texts])


def _count_names(text: str, lexicon: Lexicon) -> dict[str, Pair]:
    units = read_units(text, split_units(text, end_missing=True))
    checked, defects = check_names(units, lexicon)
    undeclared = sum(defect.rule == "undefined-name" for defect in defects)
    declared = sum(found.used for unit in units for function in unit.functions for found in function.declarations)
    return {
        FUNCTIONS: (checked["undefined-name"], count_cases(checked, "undefined-name")),
        VARIABLES: (undeclared, undeclared + declared),
    }
