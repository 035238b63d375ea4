"""The commands that seqforge prints work in the shell of the user."""

import os
import sys
from pathlib import Path

import pytest

from seqforge.cli.terminal import typed_program, typed_python


@pytest.mark.parametrize("on_path", [True, False])
def test_the_printed_command_finds_the_program(on_path: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "seqforge"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bin/seqforge", "run"])
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/nowhere" if on_path else "/nowhere")
    assert typed_program() == ("seqforge" if on_path else "bin/seqforge")


@pytest.mark.parametrize(
    ("folder", "path", "typed"),
    [(".", "bin", "python"), (".", "/nowhere", "bin/python"), ("other", "/nowhere", "{root}/bin/python")],
)
def test_the_printed_python_is_that_of_the_environment(
    folder: str, path: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / folder)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(tmp_path / path))
    assert typed_python() == typed.format(root=tmp_path)
