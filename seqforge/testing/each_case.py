"""Random cases of a cell for a check, and a description of the sizes at which it fails."""

import time as clock
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from seqforge.kinds.cell_tensors import find_other_type, find_unregistered
from seqforge.testing.cell_results import named_state
from seqforge.testing.conformance import ConformanceError, calling, require_no_fault
from seqforge.testing.strategies import CaseSizes, CellCase, CellFactory, build_case, case_sizes, new_cell

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

Check = Callable[[CellCase], None]

LARGE = (CaseSizes(40, 2, 5, 6), CaseSizes(2, 40, 5, 6))
"""Sizes at which a faster implementation may take another path, such as one for full vectors."""

TYPICAL = CaseSizes(5, 3, 4, 6)
"""Sizes that are tried first. They differ, so that a message about a shape shows which axis is wrong."""

_SECONDS = 15.0
"""Time after which no further cases are tried to describe a failure."""


def for_each_case(
    make_cell: CellFactory,
    check: Check,
    *,
    subject: Any = None,
    examples: int = 5,
    first: CaseSizes | None = TYPICAL,
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
        first: Sizes of a case before the random ones; None if the strategies do not include them.
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
            _check_case(make_cell, check, sizes, subject or class_of(make_cell))
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
        if first is not None:
            run(first)
        run_random()
        for sizes in large:
            run(sizes)
    except (ConformanceError, Flaky):
        sizes, error = failures[-1]
        where = "but not in every call: the cell may be random"
        if _fails(make_cell, check, sizes):
            where = _failing_sizes(partial(_fails, make_cell, check), sizes)
        raise ConformanceError(f"{error}{where and f' ({where})'}") from error.__cause__


def class_of(make_cell: CellFactory) -> Any:
    """Return the class of the cells that a function without a name returns, for messages; otherwise the function."""
    if getattr(make_cell, "__name__", "") == "<lambda>":
        with suppress(Exception):
            return type(make_cell(TYPICAL.input_size, TYPICAL.hidden_size))
    return make_cell


def _check_case(make_cell: CellFactory, check: Check, sizes: CaseSizes, subject: Any) -> None:
    """Check one case. An exception of the cell is described by its cause, if that is a more basic mistake."""
    action = f"`__init__` with input size {sizes.input_size} and hidden size {sizes.hidden_size}"
    with calling(subject, action), torch.random.fork_rng(devices=[]):
        make_cell(sizes.input_size, sizes.hidden_size)
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
