"""The backends `cudnn` and `onednn`, on torch's fused recurrent layers. Importing this module does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {
    "backend": {
        "cudnn": "seqforge_cudnn.backend:CudnnBackend",
        "onednn": "seqforge_cudnn.backend:OnednnBackend",
    },
}
