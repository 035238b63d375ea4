"""In which type a model's products are computed."""

from typing import Literal

import torch

from seqforge.hardware import multiplies_in_bfloat16

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
