"""Compile untrusted C with gcc. Nothing is executed, no file is read, and time and memory are limited.

gcc checks the syntax of its standard input and writes nothing. Its input has spaces for directives and for
all other `#`, so that no file is included, and empty literals, so that no `_Pragma` takes effect. gcc runs in an empty
folder, under limits that the shell sets.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from seqforge.errors import PluginError
from seqforge_code_structure.compiled_code import blank

SECONDS = 5
"""Limit of processor time for one text, in seconds. The limit of elapsed time is twice as long."""

MEGABYTES = 1024
"""Limit of the compiler's memory, in MiB."""

MOST_ERRORS = 40
"""Largest number of errors that the compiler reports at once."""

_LIMITS = f"ulimit -c 0 && ulimit -f 0 && ulimit -t {SECONDS} && ulimit -v {MEGABYTES << 10} && exec "
_OPTIONS = (
    f"-x c -std=gnu11 -fsyntax-only -nostdinc -w -fmax-errors={MOST_ERRORS} "
    "-fno-diagnostics-show-caret -fdiagnostics-column-unit=byte "
    # gcc 14 and newer report these warnings as errors. An unknown warning is ignored.
    "-Wno-implicit-function-declaration -Wno-implicit-int -Wno-int-conversion -Wno-incompatible-pointer-types "
    "-Wno-return-mismatch"
)

_ERROR = re.compile(r"^<stdin>:(?P<line>\d{1,9}):(?P<column>\d{1,9}): (?:fatal )?error: (?P<message>.*)", re.MULTILINE)

_HASH = re.compile(rb"#|%(?:\\[ \t\v\f\r]*+\n)*+:")
"""A character or digraph that can begin a directive. gcc ignores spaces between the backslash and the line break."""


def find_compiler() -> Path:
    """Return the path of gcc.

    Raises:
        PluginError: If gcc or its shell is missing, or cannot limit its memory, as on Windows and macOS.
    """
    if sys.platform != "linux":
        raise PluginError("the metric `compiles-declared` limits the memory of gcc, which is possible only on Linux")
    for program in ("sh", "gcc"):
        if (found := shutil.which(program)) is None:
            raise PluginError(f"the metric `compiles-declared` needs {program}, which is not installed")
    return Path(found)


class CompilerError(NamedTuple):
    """An error of the compiler, at a position in the code."""

    message: str
    start: int


def blank_directives(code: bytes) -> bytes:
    """Replace every `#`, and its digraph `%:` even if a line continuation divides it, with spaces."""
    return _HASH.sub(lambda match: blank(match[0]), code)


def diagnose(before: bytes, code: bytes, compiler: Path) -> list[CompilerError]:
    """Return the errors in code without directives, or one that states that the compiler exceeds its limits.

    Args:
        before: Lines before the code, which may define macros.
        code: ASCII code without `#`.
        compiler: Path of gcc.
    """
    status, output = _run(before + code, compiler)
    if status == 0:
        return []
    first = before.count(b"\n") + 1
    lines = [0, *(match.end() for match in re.finditer(rb"\n", code))]
    errors: list[CompilerError] = []
    for match in _ERROR.finditer(output.decode("utf-8", "replace")):
        line = int(match["line"]) - first
        start = lines[line] + int(match["column"]) - 1 if 0 <= line < len(lines) else 0
        errors.append(CompilerError(match["message"], start))
    return errors or [CompilerError("not compiled: the compiler exceeds its limits", 0)]


def _run(code: bytes, compiler: Path) -> tuple[int, bytes]:
    """Run the compiler on code, and return its exit status and its messages."""
    with tempfile.TemporaryDirectory(prefix="seqforge-") as folder:
        process = subprocess.Popen(  # noqa: S603 - no part of the command comes from the text
            ["sh", "-c", f'{_LIMITS} "$0" {_OPTIONS} -', str(compiler)],  # noqa: S607
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, messages = process.communicate(code, timeout=2 * SECONDS)
        except subprocess.TimeoutExpired:
            assert sys.platform != "win32"  # noqa: S101 - see `find_compiler`
            os.killpg(process.pid, signal.SIGKILL)
            _, messages = process.communicate()
        return process.returncode, messages
