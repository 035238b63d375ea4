"""The backends `native` (C++ kernels) and `inductor` (torch.compile). Importing this module does not import torch."""

from typing import TYPE_CHECKING

from seqforge.registry import Register, hookimpl

if TYPE_CHECKING:
    from seqforge.kinds import Diagnosis

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the backends."""
    register.add("backend", "native", "seqforge_native.backend:NativeBackend")
    register.add("backend", "inductor", "seqforge_native.inductor:InductorBackend")


@hookimpl
def seqforge_diagnose() -> "list[Diagnosis]":
    """Describe the kernels that this processor can run."""
    from seqforge_native.library import diagnose

    return [diagnose()]
