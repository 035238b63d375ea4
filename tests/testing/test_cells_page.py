"""The example in docs/reference/cells.md is a plugin that works."""

import re
from pathlib import Path

import pytest

from seqforge.registry import Register
from seqforge.testing import CellSuite

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs/reference/cells.md"


@pytest.fixture
def example(pytester, monkeypatch):
    """Write every block whose title is a file name to that file."""
    for name, text in re.findall(r'^```python title="(.+?)"\n(.*?)^```$', PAGE.read_text("utf-8"), re.M | re.S):
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(pytester.path)
    return pytester


def test_the_cell_passes_the_suite(example):
    # In a subprocess, since `pytester` removes the modules that a run imports, and torch can be imported only once.
    result = example.runpytest_subprocess("tests", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=sum(name.startswith("test_") for name in dir(CellSuite)))


def test_the_entry_module_registers_the_cell(example):
    import seqforge_mgu

    register = Register("mgu")
    seqforge_mgu.seqforge_register(register)
    assert [(known.name, known.target) for known in register.registrations] == [("mgu", "seqforge_mgu.cell:MGU")]
