"""The commands that a run prints at its end work in the shell of the user."""

import os
import sys
from pathlib import Path

import pytest

from seqforge.cli import run


@pytest.mark.parametrize("on_path", [True, False])
def test_the_printed_command_finds_the_program(on_path: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "seqforge"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bin/seqforge", "run"])
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/nowhere" if on_path else "/nowhere")
    assert run._program() == ("seqforge" if on_path else "bin/seqforge")
