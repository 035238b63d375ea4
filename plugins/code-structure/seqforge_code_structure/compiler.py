"""A C compiler as a judge of text that nobody trusts: nothing is run, no file is read, and what it takes is limited.

The compiler gets plain code on its standard input: directives are blanked, and so is every `#` that it might still take
for one, so that nothing is included; literals are emptied, so that no pragma is hidden in them. It checks the syntax
and writes nothing. It works in an empty folder, under limits of the shell.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from seqforge.errors import PluginError
from seqforge_code_structure.identifiers.plain import plain

SECONDS = 5
"""Of the processor, that one text may take; twice as many of the clock."""

MEGABYTES = 1024
"""Of memory, that the compiler may take."""

_LIMITS = f"ulimit -c 0 && ulimit -f 0 && ulimit -t {SECONDS} && ulimit -v {MEGABYTES << 10} && exec "
_OPTIONS = "-x c -std=gnu11 -fsyntax-only -nostdinc -w -fmax-errors=1 -fno-diagnostics-show-caret -"


def find_compiler() -> Path:
    """Find gcc.

    Raises:
        PluginError: Where there is none, or no shell that sets limits.
    """
    found = shutil.which("gcc")
    if found is None or shutil.which("sh") is None:
        raise PluginError("the metric compiles needs gcc, and finds none", hint="Install gcc, or leave the metric out.")
    return Path(found)


def compiles(text: str, compiler: Path) -> bool:
    """Tell whether a compiler accepts a text by itself, without its directives.

    Args:
        text: C, or what should be C.
        compiler: As `find_compiler` gave it.

    Returns:
        False, too, where it takes more time or memory than it may.
    """
    code = plain(text).code.replace(b"#", b" ").replace(b"%:", b"  ")
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
