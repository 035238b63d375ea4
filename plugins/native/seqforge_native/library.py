"""The compiled kernels: which of them this processor can run, how Python calls them, and what `doctor` says of them."""

import ctypes
import importlib.machinery
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from seqforge.hardware import instruction_sets
from seqforge.kinds import Diagnosis
from seqforge_native.kernel_build import NEEDS, digest_sources

_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA = 158, 0x1023, 18  # Linux on x86-64

_SUFFIXES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.int8: "int8"}


def fields(sizes: str, addresses: str, more_sizes: str = "") -> list[tuple[str, Any]]:
    """Return the fields of a C++ structure, from their names in order."""
    return [
        *((name, ctypes.c_int64) for name in sizes.split()),
        *((name, ctypes.c_void_p) for name in addresses.split()),
        *((name, ctypes.c_int64) for name in more_sizes.split()),
    ]


class Forward(ctypes.Structure):
    """`Forward` of kernels/recurrence.hpp."""

    _fields_ = fields(
        "steps rows units threads",
        "input_gates symbols weight recurrent_bias hidden carried others activations",
    )


class Backward(ctypes.Structure):
    """`Backward` of kernels/recurrence.hpp."""

    _fields_ = fields(
        "steps rows units threads",
        "output_gradient weight hidden others activations input_gradient recurrent_gradient "
        "hidden_gradient other_gradients",
        "first_wanted",
    )


class StepPort(ctypes.Structure):
    """`StepPort` of kernels/row_sequence.hpp."""

    _fields_ = fields("place size is_bfloat16 steps_ahead", "numbers")


class Carried(ctypes.Structure):
    """`Carried` of kernels/row_sequence.hpp."""

    _fields_ = fields("place size", "numbers")


class RowSequence(ctypes.Structure):
    """`RowSequence` of kernels/row_sequence.hpp."""

    _fields_ = fields(
        "steps rows threads is_backward row_size temporary_size gradient_size "
        "phase_count product_count load_count store_count carried_count",
        "phases instructions products loads stores carried parameters parameter_gradients",
    )


class Product(ctypes.Structure):
    """`Product` of kernels/row_products.hpp."""

    _fields_ = fields("", "weight bias", "input depth result vectors added")


class Decode(ctypes.Structure):
    """`Decode` of kernels/decode.hpp."""

    _fields_ = fields(
        "rows steps phase_count symbols symbol_vectors rule_count threads "
        "row_size temporary_size input input_size logits",
        "phases instructions products parameters table rules rule_values uniforms memory tokens",
    )


def addresses(**fields: torch.Tensor | int | None) -> dict[str, int | None]:
    """Return the fields of a structure, each tensor as its address. The caller must keep the tensors."""
    return {name: value.data_ptr() if isinstance(value, torch.Tensor) else value for name, value in fields.items()}


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Library:
    """Kernels compiled for one instruction set.

    Attributes:
        name: Name of the instruction set.
        lanes: Numbers in a register.
        sources: `digest_sources` of the sources that `setup.py` built them from.
        functions: C++ functions, by name and type of the products.
    """

    name: str
    lanes: int
    sources: int
    functions: dict[tuple[str, torch.dtype], Any]

    def call(self, name: str, dtype: torch.dtype, *arguments: Any) -> Any:
        """Call a kernel by its name without prefix and type; a tensor is passed as its address."""
        return self.functions[name, dtype](
            *(argument.data_ptr() if isinstance(argument, torch.Tensor) else argument for argument in arguments)
        )

    def generates(self, dtype: torch.dtype) -> bool:
        """Return whether the kernels can generate with products in a type."""
        return ("decode", dtype) in self.functions


class HeldTensors:
    """Tensors whose addresses a structure contains. Their memory is valid as long as this object exists."""

    def __init__(self) -> None:
        self._tensors: list[torch.Tensor] = []

    @property
    def nbytes(self) -> int:
        """Size of the tensors in bytes."""
        return sum(tensor.nbytes for tensor in self._tensors)

    def address(self, tensor: torch.Tensor) -> int:
        """Hold a tensor, contiguous, and return the address of its memory."""
        self._tensors.append(tensor.contiguous())
        return self._tensors[-1].data_ptr()


def runnable_instruction_sets() -> list[str]:
    """Return the instruction sets of this processor that kernels can be compiled for, the best first."""
    found = instruction_sets()
    return [name for name, needs in NEEDS.items() if needs <= found and (name != "amx" or tiles_are_allowed())]


@cache
def tiles_are_allowed() -> bool:
    """Request the tile registers of AMX for this process, and return whether Linux grants them.

    Linux ends a process that uses them without permission: a thread that is interrupted must store 8 KiB more.
    """
    if sys.platform != "linux":
        return False
    numbers = (_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA)
    return ctypes.CDLL(None).syscall(*map(ctypes.c_long, numbers)) == 0


@cache
def best_library() -> Library | None:
    """Return the best built kernels that this processor can run, or None."""
    return next(iter(runnable_libraries()), None)


def runnable_libraries() -> list[Library]:
    """Load all kernels that this processor can run and that were built from the present sources, the best first."""
    paths = {name: built_library(name) for name in runnable_instruction_sets()}
    loaded = (load_library(name, path) for name, path in paths.items() if path is not None)
    return [library for library in loaded if library is not None and library.sources == digest_sources()]


def built_library(instruction_set: str) -> Path | None:
    """Return the path of the kernels that were built for an instruction set, or None."""
    folder = Path(__file__).parent
    candidates = (folder / f"_{instruction_set}{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def missing_kernels() -> str:
    """Explain why there are no kernels of RNN, GRU and LSTM, and what to do."""
    found = runnable_instruction_sets()
    if not found:
        return "the kernels are for Linux, on an x86 processor with AVX2 or on ARM of 64 bits"
    if not any(built_library(name) for name in found):
        return (
            f"no kernels were built for {', '.join(found)}: install a C++ compiler "
            "(Debian and Ubuntu: sudo apt install g++), then install seqforge-native again"
        )
    return (
        "the kernels were built from other sources, or cannot be loaded: install seqforge-native again on this machine"
    )


def load_library(instruction_set: str, path: Path) -> Library | None:
    """Load kernels from a shared library, or return None if it cannot be loaded."""
    try:
        # torch is imported before this, so that both use the same OpenMP library and thread pool.
        handle = ctypes.CDLL(str(path))
    except OSError:  # for example, a library that was built for another system
        return None
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    linear = [pointer, pointer, pointer, integer, integer, integer, integer, pointer]
    signatures: dict[str, list[Any]] = {
        "pack": [integer, pointer, integer, integer, integer, pointer, pointer],
        "forward": [integer, ctypes.POINTER(Forward)],
        "backward": [integer, ctypes.POINTER(Backward)],
        "row_sequence": [pointer],
        "forward_matrix_cell": [pointer],
        "backward_matrix_cell": [pointer],
        "sum_rows": [pointer, pointer, integer, integer, integer, integer, pointer],
        "weight_and_bias_gradients": [pointer, pointer, integer, integer, integer, integer, pointer, pointer],
        "pack_matrix": [pointer, integer, integer, integer, integer, integer, pointer],
        "linear": linear,
        "linear_to_float32": linear,
        "pack_product": [pointer, integer, integer, pointer],
        "decode": [ctypes.POINTER(Decode)],
    }
    functions: dict[tuple[str, torch.dtype], Any] = {}
    for dtype, suffix in _SUFFIXES.items():
        for function, arguments in signatures.items():
            symbol = getattr(handle, f"seqforge_{function}_{suffix}", None)
            if symbol is not None:
                symbol.argtypes, symbol.restype = arguments, integer if function == "decode" else None
                functions[function, dtype] = symbol
    handle.seqforge_lanes.restype = handle.seqforge_sources.restype = integer
    return Library(instruction_set, handle.seqforge_lanes(), handle.seqforge_sources(), functions)


def diagnose() -> Diagnosis:
    """Report the kernels that RNN, GRU and LSTM can run on, or why there are none."""
    library = best_library()
    if library is None:
        return Diagnosis("native kernels", "no kernels", f"{missing_kernels()}.")
    types = "bfloat16 and float32" if library.generates(torch.bfloat16) else "float32"
    finding, advice = f"kernels for {library.name}, in {types}", None
    if library.generates(torch.int8):
        finding += ", and in int8 for sampling"
    elif NEEDS["avx512_vnni"] <= instruction_sets():
        finding, advice = f"{finding}; none for int8 were built", "Install seqforge-native again."
    else:
        finding += "; sampling in int8 needs AVX-512 VNNI, which this processor does not have"
    if library.name != "amx" and NEEDS["amx"] <= instruction_sets():
        reason = "were not built" if tiles_are_allowed() else "are not used: Linux does not allow them"
        finding, advice = f"{finding}; those for AMX {reason}", "Install seqforge-native again, on Linux 5.16 or newer."
    return Diagnosis("native kernels", finding, advice)
