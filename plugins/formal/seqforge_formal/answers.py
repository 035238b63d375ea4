"""The parts that all tasks use. A task draws an input of a given number of steps, with its target."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from seqforge.kinds import Value

Generate = Callable[[np.random.Generator, int], tuple[Value, Value]]
"""A function that draws an input of at most so many steps, with its target."""

NO_ANSWER = "–"
"""The class of steps that need no answer. Its index is 0, and metrics leave these steps out."""

QUERY = "?"
"""Symbol of the input at which an answer is expected."""


def write(indices: NDArray[np.int64] | Sequence[int], symbols: str) -> str:
    """Return the symbols with the given indices as a text."""
    return "".join(symbols[index] for index in indices)


def with_queries(content: str, answers: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]]:
    """Return a text followed by a query for each answer, and the target."""
    target = np.zeros(len(content) + len(answers), dtype=np.int64)
    target[len(content) :] = answers + 1
    return content + QUERY * len(answers), target


def check_ascending(lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Return lengths that ascend.

    Raises:
        ValueError: If they do not.
    """
    if tuple(sorted(set(lengths))) != lengths:
        raise ValueError(f"should ascend, not {list(lengths)}")
    return lengths
