"""Memory for weights that are read from end to end on every step."""

import math
import mmap

import torch
from torch import Tensor

_LARGE_PAGE = 2 << 20


def in_large_pages(*shape: int, dtype: torch.dtype) -> Tensor:
    """Make an uninitialised tensor in large pages, where the system has them and it fills one.

    Weights of some megabytes span thousands of small pages, more than the processor remembers the places of.

    Args:
        shape: Of the tensor.
        dtype: Of its numbers.
    """
    size = math.prod(shape) * dtype.itemsize
    advice = getattr(mmap, "MADV_HUGEPAGE", None)  # of Linux alone
    if size < _LARGE_PAGE or advice is None:
        return torch.empty(shape, dtype=dtype)
    memory = mmap.mmap(-1, size)
    try:
        memory.madvise(advice)
    except OSError:  # a kernel that was built without them
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(memory, dtype=dtype).view(shape)
