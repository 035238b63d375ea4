"""In which type a model's products are computed."""

from typing import Literal

import torch

from seqforge.recurrence import instruction_sets

Precision = Literal["float32", "bfloat16", "int8", "auto"]
"""`auto` is bfloat16 where the device multiplies in it, which is about twice as fast, and float32 elsewhere.

`int8` is of generation, by cells that have kernels for it; whatever else is computed is as with `auto`.
"""


def products_in(precision: Precision, device: torch.device) -> torch.autocast:
    """Enter a context in which products are computed in a precision; parameters and states stay as they are.

    Args:
        precision: Of the products.
        device: Where they are computed.
    """
    wanted = precision == "bfloat16" or (precision in ("auto", "int8") and multiplies_in_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Say whether a device has instructions for products in bfloat16, so that it need not imitate them.

    Args:
        device: A CPU, a GPU, …
    """
    if device.type == "cpu":
        return bool(instruction_sets() & {"avx512_bf16", "amx_bf16"})
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
