"""The compiled kernels: which of them this processor can run, and how Python calls them."""

import ctypes
import importlib.machinery
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from seqforge.hardware import instruction_sets

NEEDS = {
    "avx512_bf16": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma", "avx512_vnni", "avx512_bf16"},
    "avx512_vnni": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma", "avx512_vnni"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"},
    "avx2": {"avx2", "fma"},
}
"""Instruction sets that kernels are built for, the best first, each with what it needs of the processor."""

_SUFFIXES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.int8: "int8"}


class Forward(ctypes.Structure):
    """`Forward` of kernels/recurrence.hpp: sizes, then addresses."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("steps", "rows", "units", "threads")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "input_gates",
                "symbols",
                "weight",
                "parameters",
                "hidden",
                "carried",
                "others",
                "activations",
                "outputs",
                "filled",
            )
        ),
    ]


class Backward(ctypes.Structure):
    """`Backward` of kernels/recurrence.hpp."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("steps", "rows", "units", "threads")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "output_gradient",
                "weight",
                "parameters",
                "hidden",
                "others",
                "activations",
                "input_gradient",
                "recurrent_gradient",
                "hidden_gradient",
                "other_gradients",
                "parameter_gradients",
                "filled",
            )
        ),
        *((name, ctypes.c_int64) for name in ("parameter_count", "first_wanted")),
    ]


class Layer(ctypes.Structure):
    """`Layer` of kernels/decode.hpp."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("cell", "units", "input_units")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "table",
                "input_weight",
                "input_bias",
                "recurrent_weight",
                "parameters",
                "gates",
                "hidden",
                "carried",
                "others",
            )
        ),
    ]


class Decode(ctypes.Structure):
    """`Decode` of kernels/decode.hpp, and the `ConstraintAutomaton` of kernels/guide.hpp in it."""

    _fields_ = [
        *(
            (name, ctypes.c_int64)
            for name in ("rows", "steps", "layer_count", "symbols", "symbol_vectors", "rule_count", "threads")
        ),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "layers",
                "head_weight",
                "head_bias",
                "rules",
                "rule_values",
                "uniforms",
                "logits",
                "tokens",
                "states",
                "following",
                "actions",
                "costs",
                "weights",
                "stacks",
                "heights",
            )
        ),
        *((name, ctypes.c_int64) for name in ("depth", "left", "most")),
    ]


@dataclass(frozen=True, slots=True)
class Library:
    """Kernels compiled for one instruction set.

    Attributes:
        name: Of the instruction set.
        lanes: Numbers in a register.
        functions: By name and the products' type.
    """

    name: str
    lanes: int
    functions: dict[tuple[str, torch.dtype], Any]

    def call(self, name: str, dtype: torch.dtype, *arguments: Any) -> Any:
        """Call a kernel.

        Args:
            name: Without prefix and type.
            dtype: Of the products.
            arguments: As the C++ function takes them; tensors stand for their memory, None for none.

        Returns:
            What the kernel returns.
        """
        return self.functions[name, dtype](
            *(argument.data_ptr() if isinstance(argument, torch.Tensor) else argument for argument in arguments)
        )

    def generates(self, dtype: torch.dtype) -> bool:
        """Return whether the kernels can generate with products in a type."""
        return ("decode", dtype) in self.functions


def best_instruction_set() -> str | None:
    """Return the best instruction set of this processor that kernels can be compiled for, or None if it has none."""
    found = instruction_sets()
    return next((name for name, needs in NEEDS.items() if needs <= found), None)


def missing_kernels() -> str:
    """Explain why there are no kernels of RNN, GRU and LSTM, and what to do."""
    found = [name for name, needs in NEEDS.items() if needs <= instruction_sets()]
    if not found:
        return "this processor has no AVX2"
    if not any(built_library(name) for name in found):
        return (
            f"no kernels were built for {', '.join(found)}: install a C++ compiler "
            "(Debian and Ubuntu: sudo apt install g++), then install seqforge-native again"
        )
    return "the kernels that were built cannot be loaded: install seqforge-native again on this machine"


@cache
def best_library() -> Library | None:
    """Load the best kernels that were built and that this processor can run."""
    return next(iter(runnable_libraries()), None)


def runnable_libraries() -> list[Library]:
    """Load all kernels that were built and that this processor can run, the best first."""
    found = instruction_sets()
    paths = {name: built_library(name) for name, needs in NEEDS.items() if needs <= found}
    loaded = (load_library(name, path) for name, path in paths.items() if path is not None)
    return [library for library in loaded if library is not None]


def built_library(name: str) -> Path | None:
    """Find the kernels for an instruction set.

    Args:
        name: Of the instruction set.

    Returns:
        The shared library, or None where none was built.
    """
    folder = Path(__file__).parent
    candidates = (folder / f"_{name}{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def load_library(name: str, path: Path) -> Library | None:
    """Load compiled kernels.

    Args:
        name: The instruction set that they were built for.
        path: The shared library.

    Returns:
        Its functions, or None where it cannot be loaded.
    """
    try:
        # torch was imported before, so that both share its OpenMP and one pool of threads.
        handle = ctypes.CDLL(str(path))
    except OSError:  # such as one that was built for another system
        return None
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    signatures: dict[str, list[Any]] = {
        "pack": [integer, pointer, integer, integer, integer, pointer, pointer],
        "forward": [integer, ctypes.POINTER(Forward)],
        "backward": [integer, ctypes.POINTER(Backward)],
        "add_rows": [pointer, pointer, integer, integer, integer, pointer],
        "pack_head": [pointer, integer, integer, pointer],
        "decode": [ctypes.POINTER(Decode)],
    }
    functions: dict[tuple[str, torch.dtype], Any] = {}
    for dtype, suffix in _SUFFIXES.items():
        for function, arguments in signatures.items():
            symbol = getattr(handle, f"seqforge_{function}_{suffix}", None)
            if symbol is not None:
                symbol.argtypes, symbol.restype = arguments, integer if function == "decode" else None
                functions[function, dtype] = symbol
    handle.seqforge_lanes.restype = integer
    return Library(name, handle.seqforge_lanes(), functions)
