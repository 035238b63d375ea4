"""Mamba-2."""

import torch
from torch import nn
from torch.nn import functional

from seqforge.kinds import MatrixState, MatrixStateCell, Parts
from seqforge.matrix_states import Outputs, Projected, Reads
from seqforge_matrix_cells.gated_deltanet import inverse_softplus, log_uniform
from seqforge_matrix_cells.options import Heads, HiddenSize, KeySize


class Mamba2(MatrixStateCell[MatrixState]):
    """Mamba-2 (Dao and Gu 2024, arXiv 2405.21060), a state space model whose decay is one number for each head.

    S' = exp(-A dt) S + dt B xᵀ and y = S'ᵀ C + D x, where x, B and C are SiLU(W u) of the input u, and dt =
    softplus(W_dt u + b). All heads share B and C, whose size is N in the paper. The output is RMSNorm(y ⊙ SiLU(z)),
    with z = W_z u and the norm over all heads. In the paper, a short convolution precedes the SiLU of x, B and C, and
    a projection follows.

    The order of the input weight is output gate, value, key, query, step size (z, x, B, C, dt). As in the paper, A is
    initially drawn from U(1, 16), softplus(b) from 0.001 to 0.1, uniformly in its logarithm, and D is 1.

    Attributes:
        input_weight: `[2·hidden + 2·key + heads, input]`.
        log_decay_rate: Logarithm of A, `[heads]`.
        step_bias: b, `[heads]`.
        skip_weight: D, `[heads]`.
        norm_weight: Gain of the norm, `[hidden]`.
    """

    def __init__(
        self, input_size: int, hidden_size: HiddenSize = 128, heads: Heads = 4, key_size: KeySize = 64
    ) -> None:
        sizes = (hidden_size, hidden_size, key_size, key_size, heads)
        super().__init__(input_size, hidden_size, sizes, heads=heads, key_size=key_size)
        self.log_decay_rate = nn.Parameter(torch.empty(heads))
        self.step_bias = nn.Parameter(torch.empty(heads))
        self.skip_weight = nn.Parameter(torch.empty(heads))
        self.norm_weight = nn.Parameter(torch.empty(hidden_size))
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Draw the logarithm of A, and b, from the distributions of the paper, and set D and the gain to 1."""
        with torch.no_grad():
            self.log_decay_rate.uniform_(1, 16).log_()
            self.step_bias.copy_(inverse_softplus(log_uniform(self.step_bias, 0.001, 0.1)))
            self.skip_weight.fill_(1)
            self.norm_weight.fill_(1)

    def parts(self, projected: Projected) -> Parts:
        """Return C, dt B, x and -A dt."""
        _, *vectors, step_size = self.split(projected)
        x, key, query = (functional.silu(vector) for vector in vectors)
        dt = functional.softplus(step_size + self.step_bias)
        query = query[..., None, :].expand(*dt.shape, self.key_size)
        return Parts(query, dt[..., None] * key[..., None, :], self.split_heads(x), -self.log_decay_rate.exp() * dt)

    def readout(self, reads: Reads, parts: Parts, projected: Projected) -> Outputs:
        """Return RMSNorm((o + D x) ⊙ SiLU(z))."""
        z = self.split(projected)[0]
        y = reads + self.skip_weight[:, None] * parts.value
        return functional.rms_norm(y.flatten(-2) * functional.silu(z), (self.hidden_size,), self.norm_weight, 1e-5)
