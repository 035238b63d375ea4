"""Gated linear attention."""

import math

import torch
from torch import nn
from torch.nn import functional

from seqforge.kinds import MatrixState, MatrixStateCell, Parts
from seqforge.matrix_states import Outputs, Projected, Reads
from seqforge_matrix_cells.options import Heads, HiddenSize, KeySize, gated_norm


class GLA(MatrixStateCell[MatrixState]):
    """Gated linear attention (Yang et al. 2023, arXiv 2312.06635).

    S' = diag(α) S + k vᵀ and h = RMSNorm(S'ᵀ q/√key) ⊙ SiLU(r), where q, k, v and r are products with the input, and
    α = σ(W_2 W_1 x + b)^(1/16) is a decay for each key through a bottleneck of 16. The norm is that of each head.
    In the paper, a head has half as many keys as values.

    The order of the input weight is query, key, value, output gate, bottleneck (q, k, v, r, W_1).

    Attributes:
        input_weight: `[2·heads·key + 2·hidden + 16, input]`.
        decay_weight: W_2, `[heads·key, 16]`.
        decay_bias: b, `[heads·key]`.
        norm_weight: Gain of the norm, `[hidden / heads]`.
    """

    chunk_size = 16  # A decay for each key takes chunk² numbers for each of them.

    def __init__(
        self, input_size: int, hidden_size: HiddenSize = 128, heads: Heads = 4, key_size: KeySize = 16
    ) -> None:
        sizes = (heads * key_size, heads * key_size, hidden_size, hidden_size, 16)
        super().__init__(input_size, hidden_size, sizes, heads=heads, key_size=key_size)
        self.decay_weight = nn.Parameter(torch.empty(heads * key_size, 16).uniform_(-0.25, 0.25))
        self.decay_bias = nn.Parameter(torch.empty(heads * key_size).uniform_(-0.25, 0.25))
        self.norm_weight = nn.Parameter(torch.empty(self.value_size))
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set the gain of the norm to 1."""
        nn.init.ones_(self.norm_weight)

    def parts(self, projected: Projected) -> Parts:
        """Return q/√key, k, v and the logarithm of α."""
        q, k, v, _, bottleneck = self.split(projected)
        log_decay = functional.logsigmoid(functional.linear(bottleneck, self.decay_weight, self.decay_bias)) / 16
        q, k, v, log_decay = (self.split_heads(part) for part in (q, k, v, log_decay))
        return Parts(q / math.sqrt(self.key_size), k, v, log_decay)

    def readout(self, reads: Reads, parts: Parts, projected: Projected) -> Outputs:
        """Return RMSNorm(o) ⊙ SiLU(r)."""
        return gated_norm(reads, self.norm_weight, self.split(projected)[3])
