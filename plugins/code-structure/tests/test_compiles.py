"""The compiler of `compiles-declared`: the texts that it accepts, and its limits."""

import shutil
from pathlib import Path

import pytest
from seqforge_code_structure import compiler
from seqforge_code_structure.compiled_code import read_code
from seqforge_code_structure.compiler import blank_directives, diagnose, find_compiler

from seqforge.errors import PluginError

GOOD = "int f(int a)\n{\n\treturn a;\n}\n\n"


def compiles(text: str, program: Path) -> bool:
    return diagnose(b"", blank_directives(read_code(text).code), program) == []


with_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


@with_gcc
@pytest.mark.parametrize(
    "directive",
    [
        '#include "{}"\n',
        '/* */ #include "{}"\n',
        '%:include "{}"\n',
        '# \\\ninclude "{}"\n',
        '_Pragma("GCC pch_preprocess \\"{}\\"")\n',
        '#include_next "{}"\n',
        "#include <{}>\n",
        "%:include <{}>\n",
        "%\\\n:include <{}>\n",
        "%\\ \t\r\n\\\n:include <{}>\n",
    ],
)
def test_compiler_reads_no_file(directive: str, tmp_path: Path):
    secret = tmp_path / "secret.h"
    secret.write_text("int hidden;\n")
    text = directive.format(secret) + "int f(void)\n{\n\treturn hidden;\n}\n"
    assert not compiles(text, find_compiler())
    # The rest of the text is accepted, so the included file was not read.
    assert compiles("int hidden;\n" + text[len(directive.format(secret)) :], find_compiler())


@with_gcc
def test_time_and_memory_are_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compiler, "_LIMITS", "ulimit -v 1024 && exec ")
    assert not compiles(GOOD, find_compiler())
    monkeypatch.setattr(compiler, "_LIMITS", "sleep 100 && exec ")
    monkeypatch.setattr(compiler, "SECONDS", 0.05)
    assert not compiles(GOOD, find_compiler())


@with_gcc
def test_hostile_text_is_rejected():
    assert not compiles("int x = " + "(" * 100_000 + ";", find_compiler())
    assert not compiles("\0\ufffd\ud800", find_compiler())


def test_missing_programs_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PluginError, match="needs sh, which is not installed"):
        find_compiler()
    (tmp_path / "sh").symlink_to("/bin/sh")
    with pytest.raises(PluginError, match="needs gcc, which is not installed"):
        find_compiler()
