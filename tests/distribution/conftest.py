"""The folder of this file, from which tests import `processes`, and a process of their own for these tests."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Skip in a worker of xdist: these tests fork processes, which may hang if other tests have left threads."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("forks processes: run `pytest tests/distribution`, as `make test` does")
