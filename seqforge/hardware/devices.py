"""The processor, as Linux describes it, and the devices of torch."""

import platform
from functools import cache
from pathlib import Path

import torch

from seqforge.distribution.world import ALONE, World
from seqforge.errors import ExperimentError

CPU_INFORMATION = Path("/proc/cpuinfo")


@cache
def instruction_sets(information: Path = CPU_INFORMATION) -> frozenset[str]:
    """Return the instruction sets of an x86 processor under the names that Linux uses, such as `avx2`.

    The result is empty if the system does not list instruction sets.
    """
    return frozenset(processor_field("flags", information).split())


@cache
def describe_processor(information: Path = CPU_INFORMATION) -> str:
    """Return the name, family and model of the processor."""
    parts = [processor_field(key, information) for key in ("model name", "cpu family", "model")]
    return " ".join(part for part in parts if part) or platform.processor() or platform.machine()


def processor_field(key: str, information: Path = CPU_INFORMATION) -> str:
    """Return what the system states about the processor under a key, such as "model name"; empty if it does not."""
    try:
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")


def choose_device(name: str, world: World = ALONE) -> torch.device:
    """Return the torch device with a name such as "cpu", "cuda:1" or "mps"; "auto" is a GPU if there is one.

    Several processes on one machine use one GPU each.

    Raises:
        ExperimentError: If there is no such device, or if several processes would use one GPU.
    """
    name = str(name)  # In Python, it may be a torch.device.
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and world.local_size > 1:
        if name != "cuda":
            raise ExperimentError(
                f"training.device = {name!r} is one GPU, for {world.local_size} processes on this machine",
                hint="Use `cuda` or `auto`, with which each process uses a GPU of its own.",
            )
        name = f"cuda:{world.local_rank}"
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("tensors on this device have no data")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        raise ExperimentError(
            f"this machine has no device {name!r}",
            hint=f"Use auto, or one of: {', '.join(available)}.",
        ) from error
    return device


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for bfloat16 products. Other devices emulate them, which is slow."""
    if device.type == "cpu":
        return bool(instruction_sets() & {"avx512_bf16", "amx_bf16"})
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
