"""What this plugin tells `seqforge doctor`."""

import torch

from seqforge.hardware import instruction_sets
from seqforge.interfaces import Diagnosis
from seqforge_native.library import NEEDS, Library, best_library, built_library


def diagnose() -> Diagnosis:
    """Say which kernels native cells run on, and why on no better ones."""
    library = best_library()
    if library is not None:
        return _kernels(library)
    runnable = [name for name, needs in NEEDS.items() if needs <= instruction_sets()]
    if not runnable:
        return Diagnosis("native cells", "plain torch: this processor has no AVX2, which the kernels need")
    if not any(built_library(name) for name in runnable):
        return Diagnosis(
            "native cells",
            f"plain torch: no kernels were built for {', '.join(runnable)}",
            "Install a C++ compiler (Debian and Ubuntu: sudo apt install g++), then install seqforge-native anew.",
        )
    return Diagnosis(
        "native cells",
        "plain torch: the kernels that were built cannot be loaded",
        "Install seqforge-native anew on this machine.",
    )


def _kernels(library: Library) -> Diagnosis:
    types = "bfloat16 and float32" if library.generates(torch.bfloat16) else "float32"
    finding = f"kernels for {library.name}, in {types}"
    if library.generates(torch.int8):
        return Diagnosis("native cells", f"{finding}, and in int8 for sampling")
    if NEEDS["avx512_vnni"] <= instruction_sets():
        return Diagnosis("native cells", f"{finding}; none for int8 were built", "Install seqforge-native anew.")
    return Diagnosis("native cells", f"{finding}; sampling in int8 needs AVX-512 VNNI, which this processor has not")
