"""Declarations of suites, and the option of pytest that runs them on an installed plugin."""

import pytest
import torch
from torch import Tensor

from seqforge.kinds import FactoredCell, HiddenState
from seqforge.registry.component import Component
from seqforge.registry.hooks import Registration
from seqforge.testing.cell_suite import CellSuite
from seqforge.testing.plugin_check import factory_of

pytest_plugins = ["pytester"]


def test_a_subclass_runs_every_check_on_every_cell_of_its_table(pytester: pytest.Pytester):
    pytester.makepyfile("""
        from functools import partial
        from seqforge.testing.cell_suite import CellSuite

        class TestMine(CellSuite):
            cells = {"one": print, "two": partial(print, end="")}
    """)
    result = pytester.runpytest_inprocess("--collect-only", "-q")
    result.stdout.fnmatch_lines(["*::TestMine::test_rows_do_not_mix[[]one[]]", "*::test_rows_do_not_mix[[]two[]]"])
    checks = [name for name in dir(CellSuite) if name.startswith("test_")]
    result.stdout.fnmatch_lines([f"{2 * len(checks)} tests collected*"])


def test_an_expected_failure_has_a_reason_and_must_fail(pytester: pytest.Pytester):
    pytester.makepyfile("""
        from seqforge_essentials.schedules import Constant
        from seqforge.testing.schedule_suite import ScheduleSuite

        class TestMine(ScheduleSuite):
            schedules = {"one": Constant, "two": lambda: None}
            expected_failures = {
                "test_a_restored_schedule_continues[two]": "it is no schedule",
                "test_a_factor_depends_on_progress_alone": "it fails for both",
            }
    """)
    result = pytester.runpytest_inprocess("-q", "-rx")
    result.assert_outcomes(xfailed=2, failed=2, passed=2)
    result.stdout.fnmatch_lines(["*restored_schedule_continues[[]two[]] - it is no schedule"])


def test_an_expected_failure_of_an_unknown_test_is_an_error(pytester: pytest.Pytester):
    pytester.makepyfile("""
        from seqforge.testing.schedule_suite import ScheduleSuite

        class TestMine(ScheduleSuite):
            schedules = {"one": print}
            expected_failures = {"test_nothing": "there is no such test"}
    """)
    result = pytester.runpytest_inprocess("-q")
    result.stdout.fnmatch_lines(["*TestMine expects a failure of test_nothing, which does not exist*"])


def test_a_subclass_without_components_is_an_error(pytester: pytest.Pytester):
    pytester.makepyfile("""
        from seqforge.testing.cell_suite import CellSuite

        class TestMine(CellSuite):
            pass
    """)
    result = pytester.runpytest_inprocess("-q")
    result.stdout.fnmatch_lines(["*TestMine must list its cells: cells = {'plain': MyClass}*"])


class WithHeads(FactoredCell[HiddenState]):
    """A cell that supports multiples of 4 only."""

    def __init__(self, input_size: int, hidden_size: int = 128) -> None:
        super().__init__(input_size, hidden_size, gates_size=hidden_size, heads=4)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.bias.new_zeros(batch_size, self.hidden_size))

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        hidden = torch.tanh(input_gates + recurrent_gates)
        return hidden, HiddenState(hidden)


def test_hidden_sizes_that_a_cell_refuses_are_rounded_up():
    registration = Registration("cell", "mine", "with-heads", "mine:WithHeads", False)
    make_cell = factory_of(Component(registration, WithHeads, {"hidden_size": 128}, {}))
    assert [make_cell(3, size).hidden_size for size in (1, 4, 5, 70)] == [4, 4, 8, 72]
