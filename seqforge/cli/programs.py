"""Programs of this environment as a user can type them."""

import shlex
import shutil
import sys
from pathlib import Path


def typed_program() -> str:
    """Return `seqforge` if it is on PATH, or the path by which it was started."""
    program, installed = Path(sys.argv[0]), shutil.which("seqforge")
    on_path = installed is not None and program.exists() and Path(installed).samefile(program)
    return "seqforge" if on_path or program.name != "seqforge" else shlex.quote(sys.argv[0])


def typed_python() -> str:
    """Return `python` if that of this environment is on PATH, or its path, relative to the current folder if inside."""
    python, installed = Path(sys.executable), shutil.which("python")
    # The Python of a virtual environment is a link to another one, so that the paths are compared and not the files.
    if installed is not None and Path(installed).absolute() == python:
        return "python"
    inside = python.is_relative_to(Path.cwd())
    return shlex.quote(str(python.relative_to(Path.cwd()) if inside else python))
