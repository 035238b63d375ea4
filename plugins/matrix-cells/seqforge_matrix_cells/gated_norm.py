"""The norm and the gate of gated linear attention, which other cells have taken over."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def gated_norm(
    reads: Float[Tensor, "*time batch heads value"],
    gain: Float[Tensor, " value"],
    gate: Float[Tensor, "*time batch hidden"],
) -> Float[Tensor, "*time batch hidden"]:
    """Return RMSNorm(o) ⊙ SiLU(r), with a norm of each head that all heads share the gain of."""
    return functional.rms_norm(reads, gain.shape, gain, 1e-5).flatten(-2) * functional.silu(gate)
