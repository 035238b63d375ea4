"""How suites are declared, and the option of pytest that runs them on an installed plugin."""

from importlib.metadata import entry_points

import pytest

from seqforge.testing import CellSuite

pytest_plugins = ["pytester"]

OWN = [] if entry_points(group="pytest11", name="seqforge") else ["-p", "seqforge.pytest_plugin"]
"""An installation from before the entry point needs this."""


def test_a_subclass_runs_every_check_on_every_cell_of_its_table(pytester: pytest.Pytester):
    pytester.makepyfile("""
        from functools import partial
        from seqforge.testing import CellSuite

        class TestMine(CellSuite):
            cells = {"one": print, "two": partial(print, end="")}
    """)
    result = pytester.runpytest_inprocess("--collect-only", "-q")
    result.stdout.fnmatch_lines(["*::TestMine::test_rows_do_not_mix[[]one[]]", "*::test_rows_do_not_mix[[]two[]]"])
    checks = [name for name in dir(CellSuite) if name.startswith("test_")]
    result.stdout.fnmatch_lines([f"{2 * len(checks)} tests collected*"])


def test_a_check_that_is_none_is_left_out(pytester: pytest.Pytester):
    pytester.makepyfile("""
        from seqforge.testing import ScheduleSuite

        class TestMine(ScheduleSuite):
            schedules = {"one": print}
            test_a_restored_schedule_continues = None
    """)
    result = pytester.runpytest_inprocess("--collect-only", "-q")
    result.stdout.fnmatch_lines(["2 tests collected*"])


def test_a_subclass_without_components_is_an_error(pytester: pytest.Pytester):
    pytester.makepyfile("""
        from seqforge.testing import CellSuite

        class TestMine(CellSuite):
            pass
    """)
    result = pytester.runpytest_inprocess("-q")
    result.stdout.fnmatch_lines(["*TestMine must list its cells: cells = {'plain': MyClass}*"])


def test_the_option_runs_the_suites_on_an_installed_plugin(pytester: pytest.Pytester):
    result = pytester.runpytest_inprocess(*OWN, "--seqforge-plugin", "essentials", "--collect-only", "-q")
    result.stdout.fnmatch_lines(
        [
            "*::TestEssentialsCell::test_rows_do_not_mix[[]lstm[]]",
            "*::TestEssentialsLoss::test_gradients_are_right[[]ctc[]]",
            "*::TestEssentialsComponents::test_can_be_built[[]corpus text[]]",
        ]
    )


def test_an_option_with_an_unknown_plugin_is_an_error(pytester: pytest.Pytester):
    result = pytester.runpytest_inprocess(*OWN, "--seqforge-plugin", "essential", "-q")
    result.stderr.fnmatch_lines(["*no plugin 'essential' is installed. Did you mean 'essentials'?"])


def test_a_component_with_a_required_option_is_skipped_with_the_reason(pytester: pytest.Pytester):
    result = pytester.runpytest_inprocess(*OWN, "--seqforge-plugin", "essentials", "-q", "-rs", "-k", "can_be_built")
    result.stdout.fnmatch_lines(["*needs options: *partial(InlineText, text=…)*"])
