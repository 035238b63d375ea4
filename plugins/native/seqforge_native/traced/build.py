"""The compilation of traced kernels, which are stored in the cache folder."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

from seqforge.errors import PluginError, warn
from seqforge.files import cache_folder
from seqforge_native.library import NEEDS, best_instruction_set, load_library
from seqforge_native.sequence import SequenceKernel
from seqforge_native.traced.program import Program, write_source

KERNELS = Path(__file__).parent.parent / "kernels"

TIMEOUT = 300
"""Seconds after which a compilation fails."""


def find_compiler() -> str | None:
    """Return the C++ compiler: the one that CXX names, or the first of c++, g++ and clang++ on the path."""
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), "c++", "g++", "clang++"))), None)


def is_compiled(program: Program, dtype: torch.dtype) -> bool:
    """Return whether the kernel is in the cache folder."""
    instruction_set, compiler = best_instruction_set(), find_compiler()
    if instruction_set is None or compiler is None:
        return False
    return _path(write_source(program, dtype), _command(compiler, instruction_set)).is_file()


def compile_program(program: Program, dtype: torch.dtype, name: str) -> SequenceKernel:
    """Compile a kernel, or load it from the cache folder.

    A run waits for the compiler. If it used another backend in the meantime, the time that the compiler takes would
    decide which steps are rounded in which way, and a run could not be repeated bit for bit.

    Args:
        program: Traced step.
        dtype: Type of the products.
        name: Name of the cell, for a message while the compiler works.

    Raises:
        PluginError: If there is no compiler, or it fails.
    """
    instruction_set, compiler = best_instruction_set(), find_compiler()
    if instruction_set is None or compiler is None:
        hint = "Compiling a kernel needs a C++ compiler and a processor with AVX2."
        raise PluginError("no kernel can be compiled on this machine", hint=hint)
    source, command = write_source(program, dtype), _command(compiler, instruction_set)
    path = _path(source, command)
    if not path.is_file():
        warn(f"compiling a kernel for {name}; it is stored in {path.parent}")
        try:
            _compile(source, command, path)
        except OSError as error:
            raise PluginError(f"a kernel cannot be compiled: {error}") from error
    library = load_library(instruction_set, path)
    if library is None:
        raise PluginError(
            f"{path}: this kernel cannot be loaded", hint="Delete the file; the kernel is then compiled again."
        )
    return SequenceKernel(
        library,
        program.trace.gates,
        len(program.saved),
        one_gradient=program.one_gradient,
        outputs_hidden=program.trace.writes_hidden,
    )


def _command(compiler: str, instruction_set: str) -> list[str]:
    flags = [f"-m{need.replace('_', '')}" for need in sorted(NEEDS[instruction_set])]
    return [compiler, "-std=c++20", "-O3", "-fopenmp", "-fPIC", "-shared", *flags]


def _path(source: str, command: list[str]) -> Path:
    digest = hashlib.blake2b(repr((command, source)).encode(), digest_size=16)
    digest.update(_headers())
    return cache_folder() / "kernels" / f"{digest.hexdigest()}.so"


@cache
def _headers() -> bytes:
    return b"".join(header.read_bytes() for header in sorted(KERNELS.glob("*.hpp")))


def _compile(source: str, command: list[str], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        source_file, library = Path(folder) / "kernel.cpp", Path(folder) / "kernel.so"
        source_file.write_text(source, encoding="utf-8")
        try:
            subprocess.run(  # noqa: S603 - no shell; this plugin wrote the source
                [*command, f"-I{KERNELS}", "-o", library, source_file],
                check=True,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
            )
        except subprocess.SubprocessError as error:
            output = getattr(error, "stderr", None) or str(error)
            raise PluginError(f"the compiler failed: {str(output).strip().partition(chr(10))[0]}") from error
        library.rename(path)
