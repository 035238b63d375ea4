"""Error rates of C texts, each with a confidence interval over the texts."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from seqforge_code_structure.identifiers.checks import CHECKS, check_names
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.indentation import analyze_indentation
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import split_units

ERRORS = {
    "brackets": "units with a wrong bracket",
    "bracket": "brackets that are wrong",
    "comments": "comments that are not closed",
    "strings": "strings that are not closed",
    "characters": "character literals that are not closed",
    "comment_ends": "`*/` that closes no comment",
    "indentation": "lines whose indentation does not match",
    "parsed": "units that do not parse",
    "undefined": "functions with an undefined name",
    "undefined_novel": "functions with an undeclared novel name",
    "returns_undeclared": "functions that return an undeclared name",
    "unused": "functions with an unused variable",
    "missing_label": "functions with a goto to an undefined label",
}
"""Label of each error rate. The last five are shares of the functions that parse."""

RESAMPLES = 1_000

Pair = tuple[int, int]


class Share(NamedTuple):
    """An error rate.

    Attributes:
        wrong: Number of errors.
        total: Number of cases.
        low: Lower end of the 95% bootstrap interval, from texts that are resampled with replacement.
        high: Upper end of the interval.
    """

    wrong: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share of errors, or NaN if there are no cases."""
        return self.wrong / self.total if self.total else float("nan")


def count_errors(text: str, lexicon: Lexicon) -> dict[str, Pair]:
    """Return the numbers of errors and of cases in one text that is cut at its end.

    Args:
        text: C, or text that may be C, that begins with a unit.
        lexicon: Lexicon of the training text.
    """
    units = [unit for unit in split_units(text, end_missing=True) if unit.brackets and unit.kind == "complete"]
    ends = analyze_terminators(text, end_missing=True)
    closed = ends.total["comments"] - ends.wrong["comments"]
    lines = analyze_indentation(text)
    counts, _ = check_names(read_units(text, end_missing=True), lexicon)
    return {
        "brackets": (sum(not unit.balanced for unit in units), len(units)),
        "bracket": (sum(unit.defect_count for unit in units), sum(unit.brackets for unit in units)),
        **{name: (ends.wrong[name], ends.total[name]) for name in ("comments", "strings", "characters")},
        "comment_ends": (ends.wrong["comment_ends"], ends.wrong["comment_ends"] + closed),
        "indentation": (lines.lines - lines.agreeing, lines.lines),
        "parsed": (counts["units"] - counts["parsed"], counts["units"]),
        **{kind: (counts[kind], counts["scored"]) for kind in CHECKS},
    }


def score_texts(texts: Sequence[str], lexicon: Lexicon) -> Mapping[str, Share]:
    """Return the error rates of texts.

    Args:
        texts: Texts that begin with a unit.
        lexicon: Lexicon of the training text.
    """
    each = [count_errors(text, lexicon) for text in texts]
    again = np.random.default_rng(0).integers(len(texts), size=(RESAMPLES, len(texts)))
    found: dict[str, Share] = {}
    for name in ERRORS:
        wrong, total = np.array([counted[name] for counted in each]).T
        totals = total[again].sum(axis=1)
        drawn = wrong[again].sum(axis=1)[totals > 0] / totals[totals > 0]
        low, high = np.quantile(drawn, (0.025, 0.975)) if len(drawn) else (0.0, 1.0)
        found[name] = Share(int(wrong.sum()), int(total.sum()), float(low), float(high))
    return found
