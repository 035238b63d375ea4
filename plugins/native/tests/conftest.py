"""Run a test that takes `kernels` once with each library that was built and that this processor can run."""

import pytest
from seqforge_native import library

from seqforge.hardware import instruction_sets


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kernels" in metafunc.fixturenames:
        found = library.runnable_libraries()
        missing = pytest.param(None, marks=pytest.mark.skip(f"no kernels were built, or {set(instruction_sets())}"))
        metafunc.parametrize("kernels", found or [missing], ids=[each.name for each in found] or None)
