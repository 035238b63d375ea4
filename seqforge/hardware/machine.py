"""The findings of `seqforge doctor` about this machine: processor, torch, threads, precision, GPU and compiler."""

import os
import platform
import shutil

import torch

from seqforge.figures import describe_count
from seqforge.hardware.devices import instruction_sets, multiplies_in_bfloat16
from seqforge.kinds import Diagnosis

_NOTEWORTHY = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16")


def diagnose_machine() -> list[Diagnosis]:
    """Return the findings about this machine."""
    return [_processor(), _torch(), _threads(), _precision(), _gpu(), _compiler()]


def _processor() -> Diagnosis:
    names = [name for name in _NOTEWORTHY if name in instruction_sets()]
    return Diagnosis("processor", f"{platform.machine()}, {', '.join(names) or 'no vector instructions for kernels'}")


def _torch() -> Diagnosis:
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    onednn = "oneDNN" if torch.backends.mkldnn.is_available() else "no oneDNN"
    return Diagnosis("torch", f"{torch.__version__}, {build} build, {onednn}, Python {platform.python_version()}")


def _threads() -> Diagnosis:
    threads, cores, busy = torch.get_num_threads(), _own_cores(), os.getloadavg()[0]
    finding = f"{describe_count(threads, 'thread')} on {describe_count(cores, 'core')}, load average {busy:.1f}"
    if threads > cores:
        return Diagnosis("threads", finding, f"More threads than cores slow down training: set OMP_NUM_THREADS={cores}")
    free = max(1, round(cores - busy))
    if threads > free:
        advice = f"Threads that wait for a busy core make small models ten times slower: try OMP_NUM_THREADS={free}."
        return Diagnosis("threads", finding, advice)
    return Diagnosis("threads", finding)


def _own_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _precision() -> Diagnosis:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if multiplies_in_bfloat16(device):
        return Diagnosis("precision", "training.precision = 'auto' means bfloat16 or float32, whichever is faster")
    reason = f"the {device.type} has no instructions for bfloat16 products"
    return Diagnosis("precision", f"training.precision = 'auto' means float32: {reason}")


def _gpu() -> Diagnosis:
    if not torch.cuda.is_available():
        return Diagnosis("GPU", "none that torch can use")
    return Diagnosis("GPU", ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())))


def _compiler() -> Diagnosis:
    compiler = next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), None)
    if compiler is None:
        finding = "none; cells without built-in kernels run in plain torch"
        return Diagnosis("compiler", finding, "On Debian and Ubuntu: sudo apt install g++")
    return Diagnosis("compiler", f"{shutil.which(compiler)}, for cells without built-in kernels")
