"""A compiled kernel of a traced cell, and how Python calls it."""

import ctypes
from dataclasses import dataclass
from typing import Any, ClassVar

from seqforge_native.library import Backward, Forward, Library
from seqforge_native.traced.program import Program


@dataclass(frozen=True, slots=True)
class TracedKernel:
    """One cell's kernel.

    Attributes:
        library: Where it is compiled.
        program: What it computes.
    """

    library: Library
    program: Program


class TracedForward(Forward):
    """`TracedForward` of kernels/traced.hpp."""

    _fields_: ClassVar[Any] = [(name, ctypes.c_void_p) for name in ("others", "parameters", "outputs", "filled")]


class TracedBackward(Backward):
    """`TracedBackward` of kernels/traced.hpp."""

    _fields_: ClassVar[Any] = [
        *((name, ctypes.c_void_p) for name in ("others", "other_gradients", "parameters", "parameter_gradients")),
        ("parameter_count", ctypes.c_int64),
        ("filled", ctypes.c_void_p),
    ]
