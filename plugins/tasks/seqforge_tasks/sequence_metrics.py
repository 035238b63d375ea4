"""The edits between an answer and what was right."""

from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import Levenshtein

from seqforge.interfaces import ExamplePrediction, Value


class Edits(NamedTuple):
    """How far an answer is from the nearest of what was right.

    Attributes:
        distance: Symbols to insert, to delete and to replace (Levenshtein 1966), at least.
        length: Symbols of that target.
    """

    distance: int
    length: int


def edits(prediction: ExamplePrediction) -> Edits:
    """Count the edits to the nearest target, the longest of those that are as near.

    Args:
        prediction: Its values are texts, classes or arrays of classes.
    """
    predicted = _symbols(prediction.predicted)
    targets = [_symbols(target) for target in prediction.targets]
    found = (Edits(Levenshtein.distance(predicted, target), len(target)) for target in targets)
    return min(found, key=lambda one: (one.distance, -one.length))


def _symbols(value: Value) -> str | list[int]:
    return value if isinstance(value, str) else np.atleast_1d(value).tolist()
