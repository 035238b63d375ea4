"""The hardware: processor, devices with their random numbers, threads, compiler and memory; what `doctor` finds."""

import ctypes
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from functools import cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from seqforge.distribution.world import ALONE, World
from seqforge.errors import ExperimentError
from seqforge.figures import describe_count
from seqforge.kinds import Diagnosis

CPU_INFORMATION = Path("/proc/cpuinfo")

_NOTEWORTHY = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "sve", "bf16", "i8mm")

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's malloc.h


@cache
def instruction_sets(information: Path = CPU_INFORMATION) -> frozenset[str]:
    """Return the instruction sets of the processor under the names that Linux uses, such as `avx2`, or `sve` on ARM.

    The result is empty if the system does not list instruction sets.
    """
    return frozenset((processor_field("flags", information) or processor_field("Features", information)).split())


@cache
def describe_processor(information: Path = CPU_INFORMATION) -> str:
    """Return the name, family and model of the processor, or on ARM the numbers of its maker and model."""
    keys = ("model name", "cpu family", "model", "CPU implementer", "CPU part", "CPU variant")
    parts = [processor_field(key, information) for key in keys]
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
        name = accelerator.type if (accelerator := find_accelerator()) else "cpu"
    if name.startswith(("cuda", "mps")) and world.local_size > 1:
        if ":" in name:
            raise ExperimentError(
                f"training.device = {name!r} is one GPU, for {world.local_size} processes on this machine",
                hint="Use `cuda` or `auto`, with which each process uses a GPU of its own.",
            )
        name = f"{name}:{world.local_rank}"
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("tensors on this device have no data")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        available = map(str, [torch.device("cpu"), *_gpus()])
        raise ExperimentError(
            f"this machine has no device {name!r}",
            hint=f"Use auto, or one of: {', '.join(available)}.",
        ) from error
    return device


def find_accelerator() -> torch.device | None:
    """Return the kind of GPU that torch can use here, `cuda`, or `mps` on a Mac; None if there is none."""
    return torch.accelerator.current_accelerator(check_available=True)


def _gpus() -> list[torch.device]:
    accelerator = find_accelerator()
    count = torch.accelerator.device_count() if accelerator else 0
    return [torch.device(accelerator.type, index) for index in range(count)] if accelerator else []


def describe_device(device: torch.device) -> str:
    """Return the name of a processor or a GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return describe_processor() if device.type == "cpu" else f"{device.type} of {describe_processor()}"


def fork_random_state(device: torch.device) -> AbstractContextManager[None]:
    """Restore the states of torch's generators, that of the CPU and that of a device, at the end of the block."""
    devices = [] if device.type == "cpu" else [device]
    return cast("AbstractContextManager[None]", torch.random.fork_rng(devices, device_type=device.type))


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed these generators."""
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def read_random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the states of these generators, which `restore_random_state` restores."""
    states = {"random.cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[f"random.{device.type}"] = torch.get_device_module(device).get_rng_state(device)
    return states


def restore_random_state(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore the states of these generators. A state of another kind of device is ignored."""
    torch.set_rng_state(states["random.cpu"])
    if device.type != "cpu" and f"random.{device.type}" in states:
        torch.get_device_module(device).set_rng_state(states[f"random.{device.type}"], device)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device. A copy to a GPU is from pinned memory, so that the host does not wait for it."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for bfloat16 products. Other devices emulate them, which is slow."""
    if device.type == "cpu":
        return bool(instruction_sets() & {"avx512_bf16", "amx_bf16", "bf16"})
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def diagnose_machine() -> list[Diagnosis]:
    """Return the findings about this machine."""
    names = [name for name in _NOTEWORTHY if name in instruction_sets()]
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    onednn = "oneDNN" if torch.backends.mkldnn.is_available() else "no oneDNN"
    return [
        Diagnosis("processor", f"{platform.machine()}, {', '.join(names) or 'no vector instructions of note'}"),
        Diagnosis("torch", f"{torch.__version__}, {build} build, {onednn}, Python {platform.python_version()}"),
        _threads(),
        _precision(),
        Diagnosis("GPU", ", ".join(map(describe_device, _gpus())) or "none that torch can use"),
        _compiler(),
    ]


def _threads() -> Diagnosis:
    threads, cores, busy = torch.get_num_threads(), own_cores(), load_average()
    load = "" if busy is None else f", load average {busy:.1f}"
    finding = f"{describe_count(threads, 'thread')} on {describe_count(cores, 'core')}{load}"
    if threads > cores:
        return Diagnosis("threads", finding, f"More threads than cores slow down training: set OMP_NUM_THREADS={cores}")
    free = max(1, round(cores - (busy or 0)))
    if threads > free:
        advice = f"Threads that wait for a busy core make small models ten times slower: try OMP_NUM_THREADS={free}."
        return Diagnosis("threads", finding, advice)
    return Diagnosis("threads", finding)


def own_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def load_average() -> float | None:
    """Return how many processes used a core or waited for one in the last minute; None on Windows."""
    return None if sys.platform == "win32" else os.getloadavg()[0]


def waiting_time() -> float:
    """Return for how many seconds the threads of this process were ready and waited for a core; 0 if unknown.

    Threads that have ended are left out.
    """
    nanoseconds = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has ended
            nanoseconds += int(path.read_text("ascii").split()[1])
    return nanoseconds / 1e9


def _precision() -> Diagnosis:
    device = find_accelerator() or torch.device("cpu")
    if multiplies_in_bfloat16(device):
        return Diagnosis("precision", "training.precision = 'auto' means bfloat16 or float32, whichever is faster")
    reason = f"the {device.type} has no instructions for bfloat16 products"
    return Diagnosis("precision", f"training.precision = 'auto' means float32: {reason}")


def _compiler() -> Diagnosis:
    compiler = next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), None)
    if compiler is None:
        finding = "none; the backend inductor needs one, and native needs one to be installed"
        return Diagnosis("compiler", finding, "On Debian and Ubuntu: sudo apt install g++")
    return Diagnosis("compiler", f"{shutil.which(compiler)}, for the backend inductor")


def keep_freed_memory() -> None:
    """Make glibc keep freed memory, so that the next training step can reuse it.

    By default, glibc maps large blocks one by one, and returns them to the system immediately. Every training step then
    waits for new blocks, which the system fills with zeros. Raising the size from which blocks are mapped would not be
    enough: glibc limits it to 32 MiB, and the gates of a sequence may be larger. On systems without Linux and glibc,
    this function does nothing.

    The setting holds for the whole process. So only the commands call this function, and `sf.train` does not.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
