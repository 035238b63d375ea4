"""In which type the products of a sequence are computed."""

import torch
from torch import Tensor


def product_dtype(weight: Tensor) -> torch.dtype:
    """Say in which type a weight's products are computed here: autocast's, where it is on, else the weight's own.

    Args:
        weight: Of a product. In float64 it stays so, as elsewhere under autocast.
    """
    device = weight.device.type
    if weight.dtype != torch.float64 and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype
