"""Compute the error rates of C texts, with confidence intervals over the texts."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from seqforge_code_structure.identifiers.checks import check_names, count_cases
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.indentation import analyze_indentation
from seqforge_code_structure.metrics import CompilesDeclared
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import split_units

from benchmarks.c_mutations import NAME_RULES
from seqforge.evaluation.intervals import share_interval

ERRORS = {
    "rejected": "units that gcc does not accept",
    "brackets": "units with a wrong bracket",
    "bracket": "brackets that are wrong",
    "comments": "comments that are not closed",
    "strings": "strings that are not closed",
    "characters": "character literals that are not closed",
    "comment_ends": "`*/` that closes no comment",
    "indentation": "lines whose indentation does not match",
    "repeated": "lines that repeat one of the ten before",
    "parsed": "units that do not parse",
    "undefined-name": "functions with an undefined name",
    "novel-name": "functions with an undeclared novel name",
    "undefined-return": "functions that return an undeclared name",
    "unused-variable": "functions with an unused variable",
    "redeclared-name": "functions that declare a name twice",
    "undefined-label": "functions with a goto to an undefined label",
}
"""Label of each error rate. What compilers accept is first, since other authors report it. The last six are shares of
the functions that are found."""

REPEATED = 10
"""Number of lines before a line among which the same one is a repetition."""

FEWEST = 30
"""Smallest number of cases of a share that is reported."""

_SHORTEST_LINE = 10
"""Fewest characters of a line, without its indentation, that counts: `break;` and `return 0;` often stand close."""

Pair = tuple[int, int]
"""Number of errors, and number of cases."""


class Share(NamedTuple):
    """An error rate.

    Attributes:
        wrong: Number of errors.
        total: Number of cases.
        low: Lower end of the 95% interval, or 0 for few texts.
        high: Upper end of it, or 1 for few texts.
    """

    wrong: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The error rate, or NaN if there are no cases."""
        return self.wrong / self.total if self.total else float("nan")


def count_errors(text: str, lexicon: Lexicon) -> dict[str, Pair]:
    """Return the numbers of errors and of cases in one text that is cut at its end.

    Args:
        text: Any text that begins with a unit, if it is C.
        lexicon: Lexicon of the training text.
    """
    parts = list(split_units(text, end_missing=True))
    units = [unit for unit in parts if unit.brackets and unit.kind == "complete"]
    ends = analyze_terminators(text, end_missing=True)
    closed = ends.total["comment"] - ends.wrong["comment"]
    names = read_units(text, parts)
    lines = analyze_indentation(text, names)
    checked, _ = check_names(names, lexicon)
    compiled = CompilesDeclared().score([text])
    attempts = int(compiled.weights["accepted"])
    return {
        "rejected": (attempts - round(attempts * compiled.values["accepted"]), attempts),
        "brackets": (sum(not unit.balanced for unit in units), len(units)),
        "bracket": (sum(unit.defect_count for unit in units), sum(unit.brackets for unit in units)),
        **{f"{rule}s": (ends.wrong[rule], ends.total[rule]) for rule in ("comment", "string", "character")},
        "comment_ends": (ends.wrong["comment-end"], ends.wrong["comment-end"] + closed),
        "indentation": (lines.lines - lines.agreeing, lines.lines),
        "repeated": count_repetitions(text),
        "parsed": (checked["units"] - checked["parsed"], checked["units"]),
        **{rule: (checked[rule], count_cases(checked, rule)) for rule in NAME_RULES},
    }


def count_repetitions(text: str) -> Pair:
    """Return the number of lines that are the same as one of the `REPEATED` lines before, and that of all lines.

    Indentation does not count, nor does a line of fewer than `_SHORTEST_LINE` characters.
    """
    lines = [line for line in map(str.strip, text.split("\n")) if len(line) >= _SHORTEST_LINE]
    return sum(line in lines[max(0, i - REPEATED) : i] for i, line in enumerate(lines)), len(lines)


def score_texts(texts: Sequence[str], lexicon: Lexicon) -> dict[str, Share]:
    """Return the error rates of texts.

    Args:
        texts: Texts that begin with a unit.
        lexicon: Lexicon of the training text.
    """
    return add_counts([count_errors(text, lexicon) for text in texts])


def add_counts(counts: Sequence[Mapping[str, Pair]]) -> dict[str, Share]:
    """Return the error rates of several texts together, from the counts of each, which have the same names."""
    shares: dict[str, Share] = {}
    for name in counts[0]:
        wrong, total = np.array([counted[name] for counted in counts]).T
        low, high = share_interval(wrong, total) or (0.0, 1.0)
        shares[name] = Share(int(wrong.sum()), int(total.sum()), low, high)
    return shares
