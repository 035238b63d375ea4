"""The precision of a model's matrix products."""

from typing import Literal, get_args

import torch

from seqforge.errors import RunError, did_you_mean
from seqforge.hardware import multiplies_in_bfloat16

Precision = Literal["float32", "bfloat16", "int8", "auto"]
"""`auto` selects bfloat16 if the device has instructions for it, and float32 otherwise. Training measures both first,
and uses the faster.

`int8` applies to generation, on backends that have kernels for it; everything else is computed as with `auto`.
"""


def check_precision(name: str) -> None:
    """Check the name of a precision.

    Raises:
        RunError: If there is no precision of that name.
    """
    if name not in get_args(Precision):
        raise RunError(f"there is no precision {name!r}", hint=did_you_mean(str(name), get_args(Precision)))


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


def products_in(precision: Precision, device: torch.device) -> torch.autocast:
    """Return a context that computes matrix products in a precision. Parameters and states keep their types."""
    enabled = matmul_dtype(precision, device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
