"""What this plugin tells `seqforge doctor`."""

from seqforge.interfaces import Diagnosis
from seqforge.recurrence import instruction_sets
from seqforge_native.library import NEEDS, best_library, built_library


def diagnose() -> Diagnosis:
    """Say which kernels native cells run on, and why on no better ones."""
    library = best_library()
    if library is not None:
        types = "bfloat16 and float32" if library.name == "avx512_bf16" else "float32"
        return Diagnosis("native cells", f"kernels for {library.name}, in {types}")
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
