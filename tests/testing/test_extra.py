"""Suites work without pytest and hypothesis, as `seqforge plugins check` runs them."""

import subprocess
import sys

PROGRAM = """
import sys
sys.modules["pytest"] = sys.modules["hypothesis"] = None
from seqforge.cli import main
sys.argv = ["seqforge", "plugins", "check", "cosine"]
sys.exit(main())
"""


def test_plugins_are_checked_without_the_extra() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "3 tests" in found.stdout
