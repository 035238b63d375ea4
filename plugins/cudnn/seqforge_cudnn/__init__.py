"""The backends `cudnn` and `onednn`, on torch's fused recurrent layers. Importing this module does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the backends."""
    register.add("backend", "cudnn", "seqforge_cudnn.backend:CudnnBackend")
    register.add("backend", "onednn", "seqforge_cudnn.backend:OnednnBackend")
