"""The machine and its processes on a macOS that is simulated; see `fake_macos`. `test_simulated` starts it."""

import os
import sys
from pathlib import Path

import pytest
from seqforge_code_structure.compiler import find_compiler
from seqforge_code_structure.sources import map_files

from seqforge.errors import PluginError
from seqforge.hardware import diagnose_machine
from seqforge.interrupts import STOP_SIGNALS

FAKE = "tests.systems.fake_macos"

simulated = pytest.mark.skipif(FAKE not in sys.modules, reason=f"needs -p {FAKE}")


@simulated
def test_the_machine_has_no_kernels_and_the_signals_of_unix() -> None:
    findings = {one.subject: one.finding for one in diagnose_machine()}
    assert findings["processor"] == "arm64, no vector instructions of note"
    assert "load" in findings["threads"]
    assert [number.name for number in STOP_SIGNALS] == ["SIGINT", "SIGTERM", "SIGHUP"]


@simulated
def test_code_is_read_in_one_process_and_not_given_to_the_compiler(tmp_path: Path) -> None:
    assert {*map_files(lambda file: os.getpid(), ["a", "b"], fewest=1)} == {os.getpid()}
    with pytest.raises(PluginError, match="only on Linux"):
        find_compiler()
