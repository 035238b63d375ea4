"""Random cases of a cell for a check, and a description of the sizes at which it fails."""

import time as clock
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from seqforge.api.plugin_check.cell_tensors import find_other_type, find_unregistered
from seqforge.testing.cell_results import named_state
from seqforge.testing.conformance import ConformanceError, calling, require_no_fault
from seqforge.testing.strategies import CaseSizes, CellCase, CellFactory, build_case, case_sizes, new_cell

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

Check = Callable[[CellCase], None]

LARGE = (CaseSizes(40, 2, 5, 6), CaseSizes(2, 40, 5, 6))
"""Sizes at which a faster implementation may take another path, such as one for full vectors."""

_SECONDS = 15.0
"""Time after which no further cases are tried to describe a failure."""


def for_each_case(
    make_cell: CellFactory,
    check: Check,
    *,
    subject: Any = None,
    examples: int = 6,
    large: Sequence[CaseSizes] = (),
    time: SearchStrategy[int] | None = None,
    batch: SearchStrategy[int] | None = None,
    features: SearchStrategy[int] | None = None,
) -> None:
    """Run a check on random cases of a cell, and describe the first failure in the terms of the cell's author.

    hypothesis draws the sizes, and does not shrink them, which can take minutes. Instead, some more cases show at which
    batch sizes and lengths the check fails.

    Args:
        make_cell: Function that returns a cell.
        check: Function that raises `ConformanceError` if a case is wrong.
        subject: Component that is tested; the cell by default.
        examples: Number of random cases.
        large: Sizes of further cases.
        time: Strategy for the number of steps; `sizes()` by default, as for the other two.
        batch: Strategy for the number of rows.
        features: Strategy for the input size and the hidden size.

    Raises:
        ConformanceError: If the check fails.
    """
    failures: list[tuple[CaseSizes, ConformanceError]] = []

    def run(sizes: CaseSizes) -> None:
        try:
            _check_case(make_cell, check, sizes, subject or make_cell)
        except ConformanceError as error:
            failures.append((sizes, error))
            raise

    @settings(
        deadline=None,
        max_examples=examples,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(sizes=case_sizes(time=time, batch=batch, features=features))
    def run_random(sizes: CaseSizes) -> None:
        run(sizes)

    try:
        run_random()
        for sizes in large:
            run(sizes)
    except ConformanceError:
        sizes, error = failures[-1]
        where = _failing_sizes(partial(_fails, make_cell, check), sizes)
        raise ConformanceError(f"{error}{where and f' ({where})'}") from error.__cause__
    except Flaky:
        _, error = failures[0]
        raise ConformanceError(f"{error} (but not in every call: the cell may be random)") from error.__cause__


def _check_case(make_cell: CellFactory, check: Check, sizes: CaseSizes, subject: Any) -> None:
    """Check one case. An exception of the cell is described by its cause, if that is a more basic mistake."""
    try:
        check(build_case(make_cell, sizes))
    except ConformanceError:
        raise
    except Exception as error:
        with suppress(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            cell = new_cell(make_cell, 3, 4, seed=0)
            require_no_fault(cell, find_unregistered(cell))
            named_state(cell.initial_state(1))
            require_no_fault(cell, find_other_type(cell))
        with calling(subject, f"a call with batch {sizes.rows} and length {sizes.steps}"):
            raise error


def _fails(make_cell: CellFactory, check: Check, sizes: CaseSizes) -> bool:
    try:
        check(build_case(make_cell, sizes))
    except Exception:  # noqa: BLE001 - any failure counts
        return True
    return False


def _failing_sizes(fails: Callable[[CaseSizes], bool], sizes: CaseSizes) -> str:
    """Return at which batch sizes and lengths a check fails, such as "wrong above batch 16", or "" if at all."""
    found: list[str] = []
    stop = clock.monotonic() + _SECONDS
    for name, field in (("batch", "rows"), ("length", "steps")):
        largest: int = getattr(sizes, field)

        def fails_at(number: int, field: str = field) -> bool:
            return fails(sizes._replace(**{field: number}))

        if largest == 1 and not fails_at(2) and not fails_at(3):
            found.append(f"wrong at {name} 1")
        elif largest > 2:
            least = 2 if name == "length" else 1
            if not fails_at(least):
                works, wrong = least, largest
                while wrong - works > 1 and clock.monotonic() < stop:
                    middle = (works + wrong) // 2
                    works, wrong = (works, middle) if fails_at(middle) else (middle, wrong)
                found.append(f"wrong above {name} {works}" if wrong - works == 1 else f"wrong at {name} {wrong}")
    return " and ".join(found)
