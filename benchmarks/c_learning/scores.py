"""What is wrong with texts in C, as parts of what could be wrong, each with the spread between texts."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from seqforge_code_structure.identifiers.analysis import read_text
from seqforge_code_structure.identifiers.judgement import KINDS, judge
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.indentation import indentation
from seqforge_code_structure.terminators import terminators
from seqforge_code_structure.units import split

FAULTS = {
    "brackets": "units with a wrong bracket",
    "bracket": "brackets that are wrong",
    "comments": "comments without an end",
    "strings": "strings without an end",
    "characters": "character literals without an end",
    "comment_ends": "`*/` that ends nothing",
    "indentation": "lines not indented as their braces are",
    "parsed": "units that do not parse",
    "undefined": "functions with an undefined name",
    "undefined_novel": "functions with an undeclared name never seen",
    "returns_undeclared": "functions that return an undeclared name",
    "unused": "functions with an unused variable",
    "missing_label": "functions with a goto to no label",
}
"""By the name of the figure, what is counted; the last five of functions that parse."""

RESAMPLES = 1_000

Pair = tuple[int, int]


class Share(NamedTuple):
    """A part of a whole.

    Attributes:
        wrong: How many are wrong.
        total: Of how many.
        low: The share at the lower end of an interval of 95%, by drawing texts again with replacement.
        high: At its upper end.
    """

    wrong: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share; not a number where there is nothing to share."""
        return self.wrong / self.total if self.total else float("nan")


def pairs(text: str, lexicon: Lexicon) -> dict[str, Pair]:
    """Count faults in one text that was cut at its end, and what there is that might be at fault.

    Args:
        text: C, or what should be C; it begins with a unit.
        lexicon: The names of the training text.
    """
    units = [unit for unit in split(text, end_missing=True) if unit.brackets and unit.kind == "complete"]
    ends = terminators(text, end_missing=True)
    closed = ends.total["comments"] - ends.wrong["comments"]
    lines = indentation(text)
    counts, _ = judge(read_text(text, end_missing=True), lexicon)
    return {
        "brackets": (sum(bool(unit.fault_count or unit.too_deep) for unit in units), len(units)),
        "bracket": (sum(unit.fault_count for unit in units), sum(unit.brackets for unit in units)),
        **{name: (ends.wrong[name], ends.total[name]) for name in ("comments", "strings", "characters")},
        "comment_ends": (ends.wrong["comment_ends"], ends.wrong["comment_ends"] + closed),
        "indentation": (lines.lines - lines.agreeing, lines.lines),
        "parsed": (counts["units"] - counts["parsed"], counts["units"]),
        **{kind: (counts[kind], counts["scored"]) for kind in KINDS},
    }


def shares(texts: Sequence[str], lexicon: Lexicon) -> Mapping[str, Share]:
    """Judge texts, and add up.

    Args:
        texts: As `pairs` wants them.
        lexicon: The names of the training text.
    """
    each = [pairs(text, lexicon) for text in texts]
    again = np.random.default_rng(0).integers(len(texts), size=(RESAMPLES, len(texts)))
    found: dict[str, Share] = {}
    for name in FAULTS:
        wrong, total = np.array([counted[name] for counted in each]).T
        totals = total[again].sum(axis=1)
        drawn = wrong[again].sum(axis=1)[totals > 0] / totals[totals > 0]
        low, high = np.quantile(drawn, (0.025, 0.975)) if len(drawn) else (0.0, 1.0)
        found[name] = Share(int(wrong.sum()), int(total.sum()), float(low), float(high))
    return found
