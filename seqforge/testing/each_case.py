"""Cases of many sizes of a cell for a check, and a description of the sizes at which it fails."""

import functools
import time as clock
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from seqforge.kinds.cell_contract import initial_state_fault
from seqforge.kinds.cell_results import CellCase
from seqforge.kinds.cell_tensors import registration_fault, type_fault
from seqforge.testing.cell_case import CaseSizes, CellFactory, build_case, new_cell
from seqforge.testing.conformance import ConformanceError, describe_error, name_like, name_of

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

TYPICAL = CaseSizes(5, 3, 4, 6)
"""Sizes that are tried first. They differ, so that a message about a shape shows which axis is wrong."""

SMALL = (
    TYPICAL,
    CaseSizes(1, 1, 1, 1, seed=1),
    CaseSizes(2, 1, 3, 2, seed=2),
    CaseSizes(9, 5, 2, 1, seed=3),
    CaseSizes(3, 2, 1, 5, seed=4),
)
"""Small sizes, with each of them 1."""

LARGE = (
    CaseSizes(129, 2, 5, 32, scale=10.0),
    CaseSizes(3, 40, 33, 256, scale=0.1),
    CaseSizes(65, 3, 9, 65),
)
"""Sizes at which a faster implementation may take another path: chunks of steps, blocks of units, full vectors."""

_SECONDS = 15.0
"""Processor time after which no further cases are tried to describe a failure."""


def each_case(*sizes: CaseSizes) -> Callable[[Callable[[Any, CellCase], None]], Callable[..., None]]:
    """Convert a method that checks one case to a test of a cell at these sizes, or at small ones if there are none."""

    def decorate(check: Callable[[Any, CellCase], None]) -> Callable[..., None]:
        def test(suite: Any, make: CellFactory) -> None:
            for_each_case(make, functools.partial(check, suite), sizes or SMALL)

        return name_like(test, check)

    return decorate


def for_each_case(
    make_cell: CellFactory, check: Callable[[CellCase], None], sizes: Sequence[CaseSizes], subject: Any = None
) -> None:
    """Run a check on cases of a cell, and describe the first failure in the terms of the cell's author.

    Args:
        make_cell: Function that returns a cell.
        check: Function that raises `ConformanceError` if a case is wrong.
        sizes: Sizes of the cases.
        subject: Component that is tested; the cell by default.

    Raises:
        ConformanceError: If the check fails.
    """

    def failure_at(one: CaseSizes) -> ConformanceError | None:
        return _failure(make_cell, check, one, subject or make_cell)

    for one in sizes:
        if error := failure_at(one):
            where = "but not in every call: the cell may be random"
            if failure_at(one):
                where = _failing_sizes(lambda other: failure_at(other) is not None, one)
            raise ConformanceError(f"{error}{where and f' ({where})'}, with {one}") from None


def _failure(
    make_cell: CellFactory, check: Callable[[CellCase], None], sizes: CaseSizes, subject: Any
) -> ConformanceError | None:
    """Return the failure of one case, or None. An exception is described by a more basic mistake, if there is one."""
    try:
        check(build_case(make_cell, sizes))
    except ConformanceError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the message describes it
        failure = describe_error(subject, error)
        with suppress(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            cell = new_cell(make_cell, 3, 4, seed=0)
            fault = registration_fault(cell) or initial_state_fault(cell, 2) or type_fault(cell)
            failure = ConformanceError(f"{name_of(cell)}: {fault}") if fault else failure
        return failure
    return None


def _failing_sizes(fails: Callable[[CaseSizes], bool], sizes: CaseSizes) -> str:
    """Return at which batch sizes and lengths a check fails, such as "wrong above batch 16", or "" if at all."""
    found: list[str] = []
    stop = clock.process_time() + _SECONDS
    # Few units say nothing about blocks of units.
    for name, field, least in (("batch", "rows", 1), ("length", "steps", 2), ("hidden size", "hidden_size", 6)):
        largest: int = getattr(sizes, field)

        def fails_at(number: int, field: str = field) -> bool:
            return fails(sizes._replace(**{field: number}))

        if largest == 1 and field != "hidden_size" and not fails_at(2) and not fails_at(3):
            found.append(f"wrong at {name} 1")
        elif largest > max(least, 2) and not fails_at(least):
            works, wrong = least, largest
            while wrong - works > 1 and clock.process_time() < stop:
                middle = (works + wrong) // 2
                works, wrong = (works, middle) if fails_at(middle) else (middle, wrong)
            found.append(f"wrong above {name} {works}" if wrong - works == 1 else f"wrong at {name} {wrong}")
    return " and ".join(found)
