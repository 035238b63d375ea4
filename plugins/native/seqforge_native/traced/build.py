"""The compilation of traced kernels, which are stored in the cache folder."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import torch

from seqforge.errors import PluginError, warn
from seqforge.storage.cache import find_damage, load_or_write
from seqforge.storage.paths import cache_folder
from seqforge.storage.records import DamagedFileError
from seqforge_native.kernel_build import KERNELS, compiler_flags, digest_sources
from seqforge_native.library import Library, best_instruction_set, load_library
from seqforge_native.sequence import SequenceKernel
from seqforge_native.traced.program import Program, write_source
from seqforge_native.traced.staged_sequence import StagedKernel
from seqforge_native.traced.stages import StagedProgram, write_staged_source

LIBRARY = "kernel.so"

TIMEOUT = 300
"""Seconds after which a compilation fails."""


def find_compiler() -> str | None:
    """Return the C++ compiler: the one that CXX names, or the first of c++, g++ and clang++ on the path."""
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), "c++", "g++", "clang++"))), None)


def is_compiled(program: Program | StagedProgram, dtype: torch.dtype) -> bool:
    """Return whether the kernel is in the cache folder."""
    instruction_set, compiler = best_instruction_set(), find_compiler()
    if instruction_set is None or compiler is None:
        return False
    return find_damage(_folder(_source(program, dtype), _command(compiler, instruction_set))) is None


def compile_program(program: Program | StagedProgram, dtype: torch.dtype, name: str) -> SequenceKernel | StagedKernel:
    """Compile a kernel, or load it from the cache folder.

    A run waits for the compiler. If it used another backend in the meantime, the time that the compiler takes would
    decide which steps are rounded in which way, and a run could not be repeated bit for bit.

    Args:
        program: Traced step.
        dtype: Type of the products.
        name: Name of the cell, for a message while the compiler works and for the list of the cache.

    Raises:
        PluginError: If there is no compiler, or it fails.
    """
    instruction_set, compiler = best_instruction_set(), find_compiler()
    if instruction_set is None or compiler is None:
        hint = "Compiling a kernel needs a C++ compiler and a processor with AVX2."
        raise PluginError("no kernel can be compiled on this machine", hint=hint)
    source, command = _source(program, dtype), _command(compiler, instruction_set)
    folder, origin = _folder(source, command), f"{name} in {str(dtype).removeprefix('torch.')} for {instruction_set}"

    def compile_into(temporary: Path) -> str:
        warn(f"compiling a kernel for {name}; it is stored in {folder.parent}")
        _compile(source, command, temporary)
        return origin

    def open_kernel(entry: Path) -> Library:
        library = load_library(instruction_set, entry / LIBRARY)
        if library is None:
            raise DamagedFileError(entry / LIBRARY, "this kernel cannot be loaded")
        return library

    try:
        library = load_or_write(folder, open_kernel, compile_into)
    except (OSError, DamagedFileError) as error:
        raise PluginError(f"a kernel cannot be compiled: {error}") from error
    if isinstance(program, StagedProgram):
        return StagedKernel(library, program)
    return SequenceKernel(
        library,
        program.trace.gates,
        len(program.saved),
        one_gradient=program.one_gradient,
        outputs_hidden=program.trace.writes_hidden,
    )


def _source(program: Program | StagedProgram, dtype: torch.dtype) -> str:
    return (write_staged_source if isinstance(program, StagedProgram) else write_source)(cast("Any", program), dtype)


def _command(compiler: str, instruction_set: str) -> list[str]:
    return [compiler, "-std=c++20", "-O3", "-fopenmp", "-fPIC", "-shared", *compiler_flags(instruction_set)]


def _folder(source: str, command: list[str]) -> Path:
    digest = hashlib.blake2b(repr((command, source, digest_sources())).encode(), digest_size=16)
    return cache_folder() / "kernels" / digest.hexdigest()


def _compile(source: str, command: list[str], folder: Path) -> None:
    """Compile a kernel in a folder."""
    source_file = folder / "kernel.cpp"
    source_file.write_text(source, encoding="utf-8")
    try:
        subprocess.run(  # noqa: S603 - no shell; this plugin wrote the source
            [*command, f"-I{KERNELS}", "-o", folder / LIBRARY, source_file],
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    except subprocess.SubprocessError as error:
        lines = ((getattr(error, "stderr", None) or "").strip() or str(error)).splitlines()
        # The first lines may only name the files that include the one with the error.
        message = next((line for line in lines if "error" in line), lines[0])
        raise PluginError(f"the compiler failed: {message}") from error
