"""Where a model is trained or sampled."""

import torch

from seqforge.errors import ExperimentError
from seqforge.hardware.processor import instruction_sets


def choose_device(name: str) -> torch.device:
    """Turn a device's name into the device.

    Args:
        name: "auto" (a GPU where there is one, else the CPU), "cpu", "cuda", "cuda:1", "mps", …

    Raises:
        ExperimentError: Where there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("a device that computes nothing")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        raise ExperimentError(
            f"device: there is no device {name!r} here", hint=f"Use auto, or one of: {', '.join(available)}."
        ) from error
    return device


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Say whether a device has instructions for products in bfloat16, so that it need not imitate them.

    Args:
        device: A CPU, a GPU, …
    """
    if device.type == "cpu":
        return bool(instruction_sets() & {"avx512_bf16", "amx_bf16"})
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
