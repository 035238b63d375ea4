"""What several cells have: options, and the norm and the gate of gated linear attention."""

from typing import Annotated

from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional

from seqforge.matrix_states import Outputs, Reads

HiddenSize = Annotated[PositiveInt, Field(description="Size of the output: the values of all heads.")]
Heads = Annotated[PositiveInt, Field(description="Number of heads. Each has a matrix as its state.")]
KeySize = Annotated[PositiveInt, Field(description="Number of keys of a head: the rows of its state.")]


def gated_norm(reads: Reads, gain: Float[Tensor, " value"], gate: Outputs) -> Outputs:
    """Return RMSNorm(o) ⊙ SiLU(r). The norm is that of each head, and all heads share its gain."""
    return functional.rms_norm(reads, gain.shape, gain, 1e-5).flatten(-2) * functional.silu(gate)
