"""The metric `by-length`: the accuracy for inputs of different lengths, depths or distances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from seqforge.evaluation.intervals import format_interval, share_interval
from seqforge.kinds import Classes, ExamplePrediction, ExampleSpec, PredictionMetric, Quantity, Score, Value
from seqforge_formal.answers import NO_ANSWER, check_ascending
from seqforge_formal.nesting import CLOSING, OPENING

TOLERANCE = 0.04
"""Error from which on a number is wrong (Hochreiter and Schmidhuber 1997)."""

Measure = Literal["input", "prefix", "depth", "distance"]


@dataclass(frozen=True)
class ByLength(PredictionMetric):
    """The share of right answers in each range of lengths, with its interval.

    Steps whose target is the class `–` do not count. A number is right if its error is below 0.04.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "overall": Quantity("answers that are right", "share", "more", "{} of the answers are right"),
        "to_*": Quantity(
            "answers in the range up to *",
            "share",
            "more",
            "{} of the answers in the range up to * are right",
            is_detail=True,
        ),
    }

    limits: Annotated[
        tuple[int, ...],
        Field(min_length=1, description="Upper limit of each range. Answers above the last one do not count."),
        AfterValidator(check_ascending),
    ] = (40, 64, 128, 256, 500, 1000)
    measure: Annotated[
        Measure,
        Field(
            description="Length of the whole input or of its prefix up to the answer; or, for text with brackets, the "
            "number of brackets that are open at the answer, or the distance to the last of them."
        ),
    ] = "input"

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Return the values `overall` and `to_LIMIT` of each range with answers, and a table with intervals."""
        asked, right = np.zeros((2, len(predictions), len(self.limits)))
        for row, prediction in enumerate(predictions):
            is_asked, is_right = _compare(spec, prediction)
            ranges = np.searchsorted(self.limits, _measure(self.measure, prediction.input)[-len(is_asked) :])
            for counts, chosen in ((asked, is_asked), (right, is_asked & is_right)):
                counts[row] = np.bincount(ranges[chosen], minlength=len(self.limits) + 1)[:-1]
        totals, sizes = right.sum(axis=0), asked.sum(axis=0)
        values, weights = {"overall": float(totals.sum() / max(sizes.sum(), 1))}, {"overall": float(sizes.sum())}
        lines: list[str] = []
        for index in np.flatnonzero(sizes).tolist():
            name, share = f"to_{self.limits[index]}", float(totals[index] / sizes[index])
            values[name], weights[name] = share, float(sizes[index])
            interval = share_interval(right[:, index], asked[:, index])
            shown = "" if interval is None else format_interval(interval)
            lines.append(f"{name:>9} {share:.4f} {shown:16} {'█' * round(20 * share):20} {sizes[index]:,.0f} answers")
        return Score(values, weights=weights, report="\n".join(lines))

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether there is one answer, or one at every step."""
        return spec.output_mode != "sequence"


def _compare(spec: ExampleSpec, prediction: ExamplePrediction) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each step whether its target counts, and whether the prediction agrees with the nearest target."""
    if spec.output_mode == "sequence":
        raise ValueError("by-length cannot score new sequences, whose steps are not those of the input")
    pairs: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]] = []
    for target in prediction.targets:
        if isinstance(spec.target, Classes):
            labels = np.atleast_1d(target)
            pairs.append((np.array(spec.target.names)[labels] != NO_ANSWER, np.equal(labels, prediction.predicted)))
        else:
            errors = np.abs(np.atleast_2d(target) - np.atleast_2d(prediction.predicted))
            pairs.append((np.ones(len(errors), dtype=bool), np.less(errors, TOLERANCE).min(axis=1)))
    return max(pairs, key=lambda pair: int((pair[0] & pair[1]).sum()))


def _measure(measure: Measure, value: Value) -> NDArray[np.int64]:
    """Return the measure at each step of an input."""
    if measure in ("input", "prefix"):
        steps = len(value) if isinstance(value, str) else len(np.atleast_2d(value))
        return np.full(steps, steps) if measure == "input" else np.arange(1, steps + 1)
    if not isinstance(value, str):
        raise ValueError(f"by-length finds the {measure} in the brackets of a text, and the input consists of numbers")
    return _measure_brackets(value)[0 if measure == "depth" else 1]


@lru_cache(maxsize=10_000)  # An interval scores every text many times.
def _measure_brackets(text: str) -> NDArray[np.int64]:
    """Return the number of open brackets after each step, and the distance to the last of them, 0 if there is none."""
    opened: list[int] = []
    measures = np.zeros((2, len(text)), dtype=np.int64)
    for step, symbol in enumerate(text):
        if symbol in OPENING:
            opened.append(step)
        elif symbol in CLOSING and opened:
            opened.pop()
        measures[:, step] = (len(opened), step - opened[-1]) if opened else 0
    return measures
