"""From options to torch's optimizer, on its fused kernel where there is one."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch import nn

from seqforge_essentials.optimizers.groups import parameter_groups

Algorithm = Callable[..., torch.optim.Optimizer]
"""A class of `torch.optim`."""


def build(
    algorithm: Algorithm, parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float, **options: Any
) -> torch.optim.Optimizer:
    """Make an optimizer of `torch.optim`.

    Args:
        algorithm: Its class.
        parameters: Names and parameters.
        weight_decay: Of the matrices.
        options: What else the class takes, in torch's names.
    """
    groups = parameter_groups(parameters, weight_decay)
    kinds = {(parameter.device.type, parameter.dtype) for group in groups for parameter in group["params"]}
    if all(_has_fused_kernel(algorithm, device, dtype) for device, dtype in kinds):
        options["fused"] = True
    return algorithm(groups, **options)


@cache
def _has_fused_kernel(algorithm: Algorithm, device: str, dtype: torch.dtype) -> bool:
    """Try a step on one number: which kernels exist depends on torch's version, the device and the type of number."""
    probe = torch.zeros(1, device=device, dtype=dtype, requires_grad=True)
    probe.grad = torch.zeros_like(probe)
    try:
        algorithm([probe], fused=True).step()
    except (RuntimeError, TypeError):
        return False
    return True
