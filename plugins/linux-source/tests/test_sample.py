"""The sample: a small amount of C that compiles."""

import shutil
import subprocess

import pytest
from seqforge_linux_source.locate import SAMPLE_ROOT

FILES = sorted(path for path in SAMPLE_ROOT.rglob("*") if path.is_file())


def test_sample_is_small_ascii_text_with_the_license():
    assert 20_000 < sum(path.stat().st_size for path in FILES) < 60_000
    for path in FILES:
        text = path.read_bytes().decode("ascii")
        assert "SPDX-License-Identifier: MIT" in text.splitlines()[0]
        assert text.endswith("\n")
        assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".c"], ids=lambda path: path.name)
def test_sample_compiles(path):
    command = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{SAMPLE_ROOT / 'include'}"]

    assert subprocess.run([*command, path], capture_output=True, text=True).stderr == ""
