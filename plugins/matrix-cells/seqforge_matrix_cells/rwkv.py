"""RWKV-7."""

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from seqforge.cells import embed_rows, product_dtype
from seqforge.kinds import Inputs, MatrixStateCell, Parts
from seqforge.matrix_states import Outputs, Projected, Reads
from seqforge_matrix_cells.options import Heads, HiddenSize

_MIX_EXPONENTS = (0.2, 0.7, 0.7, 0.9, 0.9, 0.2)
"""Exponents of the initial μ of r, k, v, w, a and g, as in the first layer of the authors' code."""


class RWKV7State(NamedTuple):
    """State of an RWKV-7 cell.

    Attributes:
        memory: S.
        shifted: Products with the previous input, which the next step is mixed with.
    """

    memory: Float[Tensor, "batch heads key value"]
    shifted: Float[Tensor, "batch projected"]


class RWKV7(MatrixStateCell[RWKV7State]):
    """Time mixing of RWKV-7 (Peng et al. 2025, arXiv 2503.14456), with a square state for each head.

    With x_c = x + μ_c ⊙ (x_before - x) for each part c of the input weight:

    - r, k and v are products with the input; g = W_g2 σ(W_g x_g).
    - w = exp(-e^(-½) σ(w_0 + W_w2 tanh(W_w x_w))), the decay, and a = σ(a_0 + W_a2 W_a x_a), the rate of learning.
    - κ = k ⊙ ξ, divided by its length in each head, and k̃ = k ⊙ (1 + (a - 1) ⊙ α).
    - S' = diag(w) S - (a ⊙ κ) (Sᵀκ)ᵀ + k̃ vᵀ.
    - h = (GroupNorm(S'ᵀr) + (r · (ρ ⊙ k̃)) v) ⊙ g.

    The paper also mixes v with that of the first layer; a cell does not see other layers. The initial values of
    vectors are those of the first layer in the authors' code; matrices are drawn uniformly.

    Attributes:
        input_weight: W, `[3·hidden + 3·bottleneck, input]` in the order r, k, v, w, a, g.
        mix: μ, `[6·input]` in the same order.
        bottleneck_weight: W_w2, W_a2 and W_g2, `[3, hidden, bottleneck]`.
        gate_bias: w_0 and a_0, `[2, hidden]`.
        key_weight: ξ, α and ρ, `[3·hidden]`.
        norm_weight: Gain of the norm, `[hidden]`.
        norm_bias: Bias of the norm, `[hidden]`.
    """

    chunk_size = 16  # A decay for each key takes chunk² numbers for each of them.

    def __init__(
        self,
        input_size: int,
        hidden_size: HiddenSize = 128,
        heads: Heads = 4,
        bottleneck_size: Annotated[
            PositiveInt, Field(description="Number of features from which decay, rate and gate are computed.")
        ] = 16,
    ) -> None:
        sizes = (*[hidden_size] * 3, *[bottleneck_size] * 3)
        super().__init__(input_size, hidden_size, sizes, heads=heads)
        # Stored flat, since optimizers take an array with two axes for a matrix.
        self.mix = nn.Parameter(torch.empty(6 * input_size))
        bound = 1 / math.sqrt(bottleneck_size)
        self.bottleneck_weight = nn.Parameter(torch.empty(3, hidden_size, bottleneck_size).uniform_(-bound, bound))
        self.gate_bias = nn.Parameter(torch.empty(2, hidden_size))
        self.key_weight = nn.Parameter(torch.empty(3 * hidden_size))
        self.norm_weight = nn.Parameter(torch.empty(hidden_size))
        self.norm_bias = nn.Parameter(torch.empty(hidden_size))
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set everything that is added to or multiplied with features."""
        with torch.no_grad():
            position = torch.arange(self.input_size, dtype=self.mix.dtype, device=self.mix.device) / self.input_size
            for mix, exponent in zip(self.mix.chunk(6), _MIX_EXPONENTS, strict=True):
                mix.copy_(1 - position**exponent)
            unit = torch.linspace(0, 1, self.hidden_size, dtype=self.mix.dtype, device=self.mix.device)
            in_head = torch.linspace(-1, 1, self.value_size, dtype=self.mix.dtype, device=self.mix.device)
            zigzag = (in_head * in_head.abs()).repeat(self.heads)
            self.gate_bias[0].copy_(6 * unit - 5.5 + 2.5 * zigzag)
            self.gate_bias[1].copy_(0.4 * unit - 0.39 + 0.3 * zigzag)
            xi, alpha, rho = self.key_weight.chunk(3)
            xi.copy_(0.76 - 0.1 * unit)
            alpha.fill_(1.02)
            rho.fill_(-0.04)
            self.norm_weight.fill_(1)
            self.norm_bias.zero_()

    def initial_state(self, batch_size: int) -> RWKV7State:
        """Return a state of zeros."""
        zeros = self.input_weight.new_zeros
        memory = zeros(batch_size, self.heads, self.key_size, self.value_size)
        return RWKV7State(memory, zeros(batch_size, sum(self.sizes)))

    def project(self, inputs: Inputs) -> Float[Tensor, "time batch both"]:
        """Return W ((1 - μ) ⊙ x) and W (μ ⊙ x) of all steps; the latter is added one step later."""
        sizes = torch.tensor(self.sizes, device=self.mix.device)
        mix = self.mix.view(6, -1).repeat_interleave(sizes, dim=0)
        weight = torch.cat([self.input_weight * (1 - mix), self.input_weight * mix])
        if inputs.is_floating_point():
            return functional.linear(inputs, weight)
        return embed_rows(weight.t(), inputs, product_dtype(weight))

    def mix_steps(
        self, projected: Float[Tensor, "time batch both"], state: RWKV7State
    ) -> tuple[Float[Tensor, "time batch projected"], tuple[Tensor]]:
        """Return the sum of the two products, of this step and of the previous one, and the last product."""
        now, shifted = projected.to(state.shifted.dtype).chunk(2, dim=-1)
        return now + torch.cat([state.shifted[None], shifted[:-1]]), (shifted[-1],)

    def parts(self, projected: Projected) -> Parts:
        """Return r, k̃, v, log w, κ and -a ⊙ κ."""
        r, k, v, decay, rate, _ = self._split(projected)
        decay = functional.linear(torch.tanh(decay), self.bottleneck_weight[0], self.gate_bias[0])
        log_decay = -math.exp(-0.5) * torch.sigmoid(decay)
        rate = torch.sigmoid(functional.linear(rate, self.bottleneck_weight[1], self.gate_bias[1]))
        xi, alpha, _ = self.key_weight.chunk(3)
        kappa = functional.normalize(self.split_heads(k * xi), dim=-1, eps=1e-6)
        key = k * (1 + (rate - 1) * alpha)
        r, key, v, log_decay, rate = (self.split_heads(part) for part in (r, key, v, log_decay, rate))
        return Parts(r, key, v, log_decay, kappa, -rate * kappa)

    def readout(self, reads: Reads, parts: Parts, projected: Projected) -> Outputs:
        """Return (GroupNorm(o) + (r · (ρ ⊙ k̃)) v) ⊙ g."""
        normalized = functional.layer_norm(reads, (self.value_size,), eps=64e-5).flatten(-2)
        rho = self.split_heads(self.key_weight.chunk(3)[2])
        bonus = (parts.query * rho * parts.key).sum(-1, keepdim=True) * parts.value
        gate = torch.sigmoid(self._split(projected)[5])
        gate = functional.linear(gate, self.bottleneck_weight[2])
        return (normalized * self.norm_weight + self.norm_bias + bonus.flatten(-2)) * gate

    def _split(self, features: Projected) -> Sequence[Tensor]:
        """Return the parts of the sum of `mix_steps`: r, k, v, and the bottlenecks of w, a and g."""
        return self.split(features[..., 2 * sum(self.sizes) :])
