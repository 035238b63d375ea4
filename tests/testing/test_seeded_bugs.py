"""Every suite names the bug of a wrong component. Right ones are in the tests of the plugins."""

import importlib

import pytest
from seeded_bugs import BUGS, cell_memory, cell_sizes, cell_types, cells
from seeded_bugs.cell_types import Rounding

from seqforge import Registry
from seqforge.kinds.table import INTERFACES
from seqforge.testing.cell_suite import CellSuite


@pytest.fixture(autouse=True)
def _wrong_backend(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    extended = registry.with_components([Rounding])
    monkeypatch.setattr(Registry, "installed", lambda: extended)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.suite.__name__}, {bug.description}")
def test_a_bug_is_named(bug):
    failure = bug.failure()
    assert bug.is_named_by(failure), failure


CAUSES = (
    cells.StartsAnew,
    cells.NotRecurrent,
    cells.ReversesTime,
    cells.NormalizesOverTime,
    cells.DetachesAGate,
    cells.DetachesBetweenBlocks,
    cell_memory.DropsOutInEvaluation,
    cell_memory.DropsOutInStepOnly,
    cell_memory.KeepsItsOutputs,
    cell_memory.StartsWhereItStopped,
    cell_sizes.WrongAtStep64,
    cell_sizes.StepsOfTheFirstRow,
    cell_types.NaiveSigmoid,
    cell_types.RoundsEachState,
)


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.component in CAUSES], ids=lambda bug: bug.description)
def test_the_first_failure_names_the_cause(bug):
    """As `pytest -x` shows it, which runs the tests in their order."""
    tests = [name for parent in reversed(CellSuite.__mro__) for name in vars(parent) if name.startswith("test_")]
    failure = next(filter(None, (bug._replace(check=name).failure() for name in tests)))
    assert bug.is_named_by(failure), failure


def test_every_test_of_a_suite_finds_a_bug():
    suites = [
        getattr(importlib.import_module(kind.suite_module), interface.suite_name)
        for kind, interface in INTERFACES.values()
    ]
    checks = {getattr(suite, name).__qualname__ for suite in suites for name in dir(suite) if name.startswith("test_")}
    assert checks == {getattr(bug.suite, bug.check).__qualname__ for bug in BUGS}
