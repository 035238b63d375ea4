"""The backends `native` (C++ kernels) and `inductor` (torch.compile). Importing this module does not import torch."""

from typing import TYPE_CHECKING

from seqforge.registry import hookimpl

if TYPE_CHECKING:
    from seqforge.kinds import Diagnosis

SEQFORGE_API = 1

COMPONENTS = {
    "backend": {
        "native": "seqforge_native.backend:NativeBackend",
        "inductor": "seqforge_native.inductor:InductorBackend",
    },
}


@hookimpl
def seqforge_diagnose() -> "list[Diagnosis]":
    """Describe the kernels that this processor can run."""
    from seqforge_native.library import diagnose

    return [diagnose()]
