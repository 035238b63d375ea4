"""Declarations of suites, and the option of pytest that runs them on an installed plugin."""

from functools import partial
from typing import Any, ClassVar
from unittest import SkipTest

import pytest
import torch
from seeded_bugs.exporters import Weights
from seeded_bugs.trackers import Lines
from torch import Tensor

from seqforge.errors import PluginError
from seqforge.kinds import FactoredCell, HiddenState, UnknownSymbolError
from seqforge.registry.component import Component
from seqforge.registry.hooks import Registration
from seqforge.testing.cell_suite import CellSuite
from seqforge.testing.conformance import ConformanceError, require_equal
from seqforge.testing.exporter_suite import ExporterSuite
from seqforge.testing.plugin_check import factory_of
from seqforge.testing.sampler_suite import FirstCharacters
from seqforge.testing.tracker_suite import TrackerSuite

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


def test_a_backend_suite_names_its_backend(pytester: pytest.Pytester):
    pytester.makepyfile("""
        from seqforge.testing.backend_suite import BackendSuite

        class TestMine(BackendSuite):
            cells = {"one": print}
    """)
    result = pytester.runpytest_inprocess("-q")
    result.stdout.fnmatch_lines(["*TestMine must name its backend: backend = MyBackend*"])


@pytest.mark.parametrize(
    ("actual", "expected", "tolerance", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2), 0.1, "Mine: x differs: expected a tensor [3, 2], got [2, 3]"),
        (torch.zeros(2), torch.zeros(2).double(), 0.0, "Mine: x differs: expected torch.float64, got torch.float32"),
        (torch.zeros(2), torch.zeros(2).double(), 1e-9, ""),
        (
            torch.tensor([[0, 1], [2, 7]]),
            torch.tensor([[0, 1], [2, 3]]),
            0.0,
            "Mine: x differs: expected 3 at [1, 1], got 7",
        ),
        (torch.tensor(1 / 3), torch.tensor(0.0), 0.1, "Mine: x differs: expected 0, got 0.333333"),
        (
            torch.tensor(0.1).double(),
            torch.tensor(0.0).double(),
            0.0,
            "Mine: x differs: expected 0, got 0.10000000149011612",
        ),
        (torch.tensor([torch.nan, 1]), torch.tensor([torch.nan, 1]), 0.0, ""),
        (torch.tensor(torch.nan), torch.tensor(1.0), 0.5, "Mine: x differs: expected 1, got nan"),
        (torch.tensor(12.0), torch.tensor(10.0), 0.2, ""),
        (torch.tensor(13.0), torch.tensor(10.0), 0.2, "Mine: x differs: expected 10, got 13"),
    ],
)
def test_a_difference_is_described(actual: Tensor, expected: Tensor, tolerance: float, message: str):
    found = ""
    try:
        require_equal(partial(Mine), "{part} differs", {"x": actual}, {"x": expected}, tolerance)
    except ConformanceError as error:
        found = str(error)
    assert found == message


class Mine:
    """A component."""


def test_what_cannot_be_tried_is_skipped():
    class WithoutALibrary(Lines, Weights):
        def start(self, run: Any) -> str:
            raise PluginError("the library is not installed") from self.reason

        def write(self, model: Any, folder: Any) -> None:
            raise PluginError("the library is not installed") from self.reason

        def __init__(self, reason: Exception):
            self.reason = reason

    def run(reason: Exception) -> None:
        make = partial(WithoutALibrary, reason)
        TrackerSuite().test_an_interrupted_run_ends(make=make)

    def export(reason: Exception) -> None:
        ExporterSuite().test_an_export_depends_on_the_model_only(make=partial(WithoutALibrary, reason))

    for check in (run, export):
        with pytest.raises(SkipTest, match="the library is not installed"):
            check(ImportError())
        with pytest.raises(ConformanceError, match="the library is not installed"):
            check(OSError())
    with pytest.raises(SkipTest, match="no method `recorded`"):
        TrackerSuite().test_the_logged_values_arrive(make=Lines)


def test_a_tracker_that_fails_is_finished():
    class Failing(Lines):
        finished: ClassVar = list[bool]()

        def log_texts(self, step: int, texts: Any) -> None:
            raise OSError("the disk is full")

        def finish(self, *, complete: bool) -> None:
            super().finish(complete=complete)
            self.finished.append(complete)
            raise OSError("the disk is still full")

    with pytest.raises(ConformanceError, match="OSError: the disk is full"):
        TrackerSuite().test_any_value_and_text_is_logged(make=Failing)
    assert Failing.finished == [False]


def test_an_exported_model_has_every_part():
    models = list[Any]()

    class Recording(Weights):
        def write(self, model: Any, folder: Any) -> None:
            super().write(model, folder)
            models.append(model)

    ExporterSuite().test_an_export_depends_on_the_model_only(make=Recording)
    model = models[0]
    assert model.input.embedding.weight is model.head.weight
    assert model.norm is not None
    assert all(tensor.all() for tensor in (*model.parameters(), *model.state_tensors.values()))


def test_the_vocabulary_of_samplers_has_the_first_characters():
    vocabulary = FirstCharacters(100)
    assert vocabulary.encode("abc").tolist() == [97, 98, 99]
    assert vocabulary.decode([98, 99]) == b"bc"
    assert vocabulary.state() == {}
    with pytest.raises(UnknownSymbolError, match="'d' at position 1"):
        vocabulary.encode("cd")
