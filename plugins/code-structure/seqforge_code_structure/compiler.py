"""Compile untrusted C with gcc. Nothing is executed, no file is read, and time and memory are limited.

gcc checks the syntax of its standard input and writes nothing. Its input has spaces for directives and for
all other `#`, so that no file is included, and empty literals, so that no `_Pragma` takes effect. gcc runs in an empty
folder, under limits that the shell sets.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from seqforge.errors import PluginError
from seqforge_code_structure.identifiers.compiled_code import extract_compiled_code

SECONDS = 5
"""Limit of processor time for one text, in seconds. The limit of elapsed time is twice as long."""

MEGABYTES = 1024
"""Limit of the compiler's memory, in MiB."""

_LIMITS = f"ulimit -c 0 && ulimit -f 0 && ulimit -t {SECONDS} && ulimit -v {MEGABYTES << 10} && exec "
_OPTIONS = "-x c -std=gnu11 -fsyntax-only -nostdinc -w -fmax-errors=1 -fno-diagnostics-show-caret -"


def find_compiler() -> Path:
    """Return the path of gcc.

    Raises:
        PluginError: If gcc or a shell that sets limits is missing.
    """
    for program in ("sh", "gcc"):
        if (found := shutil.which(program)) is None:
            raise PluginError(
                f"the metric `compiles` needs {program}, which is not installed",
                hint=f"Install {program}, or remove the metric.",
            )
    return Path(found)


def compiles(text: str, compiler: Path) -> bool:
    """Return whether a compiler accepts a text, without its directives, within the limits of time and memory."""
    code = extract_compiled_code(text).code.replace(b"#", b" ").replace(b"%:", b"  ")
    with tempfile.TemporaryDirectory(prefix="seqforge-") as folder:
        process = subprocess.Popen(  # noqa: S603 - no part of the command comes from the text
            ["sh", "-c", f'{_LIMITS} "$0" {_OPTIONS}', str(compiler)],  # noqa: S607
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.communicate(code, timeout=2 * SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        return process.returncode == 0
