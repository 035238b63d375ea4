"""The report of this plugin to `seqforge doctor`."""

import torch

from seqforge.hardware import instruction_sets
from seqforge.kinds import Diagnosis
from seqforge_native.kernel_build import NEEDS
from seqforge_native.library import best_library, missing_kernels, tiles_are_allowed


def diagnose() -> Diagnosis:
    """Report the kernels that RNN, GRU and LSTM can run on, or why there are none."""
    library = best_library()
    if library is None:
        return Diagnosis("native kernels", "no kernels", f"{missing_kernels()}.")
    types = "bfloat16 and float32" if library.generates(torch.bfloat16) else "float32"
    finding, advice = f"kernels for {library.name}, in {types}", None
    if library.generates(torch.int8):
        finding += ", and in int8 for sampling"
    elif NEEDS["avx512_vnni"] <= instruction_sets():
        finding, advice = f"{finding}; none for int8 were built", "Install seqforge-native again."
    else:
        finding += "; sampling in int8 needs AVX-512 VNNI, which this processor does not have"
    if library.name != "amx" and NEEDS["amx"] <= instruction_sets():
        reason = "were not built" if tiles_are_allowed() else "are not used: Linux does not allow them"
        finding, advice = f"{finding}; those for AMX {reason}", "Install seqforge-native again, on Linux 5.16 or newer."
    return Diagnosis("native kernels", finding, advice)
