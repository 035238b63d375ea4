"""The precision of a model's matrix products."""

from typing import Literal

import torch

from seqforge.hardware import multiplies_in_bfloat16

Precision = Literal["float32", "bfloat16", "int8", "auto"]
"""`auto` selects bfloat16 if the device has instructions for it, which is about twice as fast, and float32 otherwise.

`int8` applies to generation, on backends that have kernels for it; everything else is computed as with `auto`.
"""


def matmul_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the type of a model's matrix products.

    Args:
        precision: Precision of the model.
        device: Device of the model.
    """
    if precision == "bfloat16" or (precision in ("auto", "int8") and multiplies_in_bfloat16(device)):
        return torch.bfloat16
    return torch.float32


def products_in(precision: Precision, device: torch.device) -> torch.autocast:
    """Return a context that computes matrix products in a precision. Parameters and states keep their types.

    Args:
        precision: Precision of the products.
        device: Device that computes them.
    """
    enabled = matmul_dtype(precision, device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
