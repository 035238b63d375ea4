"""The precision of a model's matrix products."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from seqforge.hardware import multiplies_in_bfloat16

Precision = Literal["float32", "tf32", "bfloat16", "int8", "auto"]
"""`tf32` lets a GPU round the factors of float32 products to a mantissa of 10 bits; on other devices, it is float32.

`auto` selects bfloat16 if the device has instructions for it, and float32 otherwise. Training measures both first,
and uses the faster.

`int8` applies to generation, on backends that have kernels for it; everything else is computed as with `auto`.
"""


def precisions_to_measure(precision: Precision, device: torch.device) -> tuple[Precision, ...]:
    """Return the precisions of which the faster is to be used: two if the precision is `auto` and the device has both.

    Instructions for bfloat16 are slower than those for float32 on some processors, so their presence is not enough.
    """
    if precision == "auto" and multiplies_in_bfloat16(device):
        return ("bfloat16", "float32")
    return (precision,)


def matmul_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the type of a model's matrix products."""
    if precision == "bfloat16" or (precision in ("auto", "int8") and multiplies_in_bfloat16(device)):
        return torch.bfloat16
    return torch.float32


@contextmanager
def train_products(precision: Precision, *, deterministic: bool) -> Generator[None]:
    """Allow TF32 on a GPU inside the block only for this precision, and choose operations that repeat their bits.

    By default, torch uses TF32 in the layers of cuDNN, but not in other products.
    """
    backends: Any = torch.backends
    products = backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn
    before = [kind.fp32_precision for kind in products], torch.are_deterministic_algorithms_enabled()
    for kind in products:
        kind.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA reads it before the first product.
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        for kind, value in zip(products, before[0], strict=True):
            kind.fp32_precision = value
        if deterministic:  # This imports torch's compiler, which takes a second.
            torch.use_deterministic_algorithms(before[1])


def products_in(precision: Precision, device: torch.device) -> torch.autocast:
    """Return a context that computes matrix products in a precision. Parameters and states keep their types."""
    enabled = matmul_dtype(precision, device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
