"""The gated DeltaNet."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import MatrixState, MatrixStateCell, Parts
from seqforge.matrix_states import Outputs, Projected, Reads, delta_rule
from seqforge_matrix_cells.options import Heads, HiddenSize, KeySize, gated_norm


class GatedDeltaNet(MatrixStateCell[MatrixState]):
    """Gated DeltaNet (Yang et al. 2024, arXiv 2412.06464).

    S' = αS + βk (v - αSᵀk)ᵀ and h = RMSNorm(S'ᵀ q/√key) ⊙ SiLU(r), where q and k are SiLU(W x), divided by their
    length in each head, v = SiLU(W_v x), α = exp(-A softplus(W_α x + b)), and β = σ(W_β x). With negative eigenvalues,
    β = 2σ(W_β x), so that a step can reflect the state (Grazzi et al. 2025, arXiv 2411.12537). In the paper, a head
    has half as many keys as values, and a short convolution precedes each SiLU.

    The order of the input weight is query, key, value, output gate, decay, rate (q, k, v, r, α, β). As in the
    authors' code, A is initially drawn from U(0.01, 16), and softplus(b) from 0.001 to 0.1, uniformly in its logarithm.

    Attributes:
        input_weight: `[2·heads·key + 2·hidden + 2·heads, input]`.
        log_decay_rate: Logarithm of A, `[heads]`.
        decay_bias: b, `[heads]`.
        norm_weight: Gain of the norm, `[hidden / heads]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: HiddenSize = 128,
        heads: Heads = 4,
        key_size: KeySize = 32,
        negative_eigenvalues: Annotated[
            bool, Field(description="Whether a step may reflect the state, which tasks such as parity need.")
        ] = False,
    ) -> None:
        sizes = (heads * key_size, heads * key_size, hidden_size, hidden_size, heads, heads)
        super().__init__(input_size, hidden_size, sizes, heads=heads, key_size=key_size)
        self.largest_rate = 2.0 if negative_eigenvalues else 1.0
        self.log_decay_rate = nn.Parameter(torch.empty(heads))
        self.decay_bias = nn.Parameter(torch.empty(heads))
        self.norm_weight = nn.Parameter(torch.empty(self.value_size))
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Draw the logarithm of A, and b, from the distributions of the authors' code, and set the gain to 1."""
        with torch.no_grad():
            self.log_decay_rate.uniform_(0.01, 16).log_()
            self.decay_bias.copy_(inverse_softplus(log_uniform(self.decay_bias, 0.001, 0.1)))
            self.norm_weight.fill_(1)

    def parts(self, projected: Projected) -> Parts:
        """Return q/√key, v, the logarithm of α, and the parts of the delta rule."""
        *vectors, _, decay, rate = self.split(projected)
        q, k, v = (self.split_heads(functional.silu(vector)) for vector in vectors)
        q, k = (functional.normalize(vector, dim=-1, eps=1e-6) for vector in (q, k))
        log_decay = -self.log_decay_rate.exp() * functional.softplus(decay + self.decay_bias)
        return delta_rule(Parts(q / math.sqrt(self.key_size), k, v, log_decay), self.largest_rate * torch.sigmoid(rate))

    def readout(self, reads: Reads, parts: Parts, projected: Projected) -> Outputs:
        """Return RMSNorm(o) ⊙ SiLU(r)."""
        return gated_norm(reads, self.norm_weight, self.split(projected)[3])


def log_uniform(parameter: Tensor, low: float, high: float) -> Tensor:
    """Return numbers between two bounds in the shape of a parameter, whose logarithm is uniformly distributed."""
    return torch.empty_like(parameter).uniform_(math.log(low), math.log(high)).exp()


def inverse_softplus(numbers: Tensor) -> Tensor:
    """Return the numbers whose softplus the given ones are."""
    return numbers + torch.log(-torch.expm1(-numbers))
