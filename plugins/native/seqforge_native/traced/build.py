"""Compiles a kernel's source, once for each processor's instruction sets."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from seqforge.files import cache_folder
from seqforge_native.library import NEEDS, Library, load_library

KERNELS = Path(__file__).parent.parent / "kernels"

SECONDS = 120
"""That a compiler may take; it takes about five."""


class CompilationError(Exception):
    """No kernel could be compiled here."""


def build(source: str, instruction_set: str) -> Library:
    """Compile a source that includes the kernels' headers, or take what was compiled before.

    Args:
        source: In C++.
        instruction_set: A key of `NEEDS`.

    Raises:
        CompilationError: Where there is no compiler, or it fails.
    """
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), "c++", "g++", "clang++"))), None)
    if compiler is None:
        raise CompilationError("there is no C++ compiler")
    flags = [f"-m{need.replace('_', '')}" for need in sorted(NEEDS[instruction_set])]
    command = [compiler, "-std=c++20", "-O3", "-fopenmp", "-fPIC", "-shared", *flags]
    path = cache_folder() / "kernels" / f"{_fingerprint(source, command)}.so"
    if not path.is_file():
        try:
            _compile(source, command, path)
        except OSError as error:
            raise CompilationError(str(error)) from error
    library = load_library(instruction_set, path)
    if library is None:
        raise CompilationError(f"{path} cannot be loaded")
    return library


def _fingerprint(source: str, command: list[str]) -> str:
    digest = hashlib.blake2b(repr((command, source)).encode(), digest_size=16)
    for header in sorted(KERNELS.glob("*.hpp")):
        digest.update(header.read_bytes())
    return digest.hexdigest()


def _compile(source: str, command: list[str], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        written, made = Path(folder) / "kernel.cpp", Path(folder) / "kernel.so"
        written.write_text(source, encoding="utf-8")
        try:
            subprocess.run(  # noqa: S603 - no shell; the source is arithmetic that this plugin wrote
                [*command, f"-I{KERNELS}", "-o", made, written],
                check=True,
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", None) or str(error)
            raise CompilationError(str(said).strip().partition("\n")[0]) from error
        made.rename(path)
