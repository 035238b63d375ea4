"""The mLSTM."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import MatrixStateCell, Parts
from seqforge.matrix_states import Outputs, Projected, Reads
from seqforge_matrix_cells.options import Heads, HiddenSize, KeySize


class MLSTMState(NamedTuple):
    """State of an mLSTM.

    Attributes:
        memory: C, whose last value is the normalizer n, divided by the exponential of the stabilizer.
        stabilizer: m, the largest exponent of a gate so far, and at least 0.
    """

    memory: Float[Tensor, "batch heads key value+1"]
    stabilizer: Float[Tensor, "batch heads"]


class MLSTM(MatrixStateCell[MLSTMState]):
    """mLSTM (Beck et al. 2024, "xLSTM", arXiv 2405.04517): an LSTM with a matrix memory and exponential gates.

    C' = fC + i k vᵀ, n' = fn + ik and h = σ(o) ⊙ LayerNorm(C'ᵀq / max(|n'ᵀq|, 1)), where q, v and k, divided by √key,
    are products with the input, f = σ(W_f x + b_f) and i = exp(W_i x + b_i) are numbers for each head, and the norm is
    that of each head. C and n are stored divided by exp(m), with m' = max(log f + m, log i, 0), so that nothing
    overflows.

    The order of the input weight is query, key, value, output gate, input gate, forget gate (q, k, v, o, i, f). As in
    the authors' code, b_f is from 3 to 6 over the heads, b_i from N(0, 0.1), and W_i and W_f are 0 initially.

    Attributes:
        input_weight: `[2·heads·key + 2·hidden + 2·heads, input]`.
        gate_bias: b_i and b_f, `[2·heads]`.
        norm_weight: Gain of the norm, `[hidden / heads]`.
    """

    def __init__(
        self, input_size: int, hidden_size: HiddenSize = 128, heads: Heads = 4, key_size: KeySize = 32
    ) -> None:
        sizes = (heads * key_size, heads * key_size, hidden_size, hidden_size, heads, heads)
        super().__init__(input_size, hidden_size, sizes, heads=heads, key_size=key_size)
        self.gate_bias = nn.Parameter(torch.empty(2 * heads))
        self.norm_weight = nn.Parameter(torch.empty(self.value_size))
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set the biases of the gates, their weights to 0, and the gain of the norm to 1."""
        with torch.no_grad():
            self.gate_bias[: self.heads].normal_(0, 0.1)
            self.gate_bias[self.heads :].copy_(torch.linspace(3, 6, self.heads))
            self.input_weight[-2 * self.heads :].zero_()
            self.norm_weight.fill_(1)

    def initial_state(self, batch_size: int) -> MLSTMState:
        """Return a memory of zeros, and a stabilizer of 0."""
        zeros = self.input_weight.new_zeros
        memory = zeros(batch_size, self.heads, self.key_size, self.value_size + 1)
        return MLSTMState(memory, zeros(batch_size, self.heads))

    def mix_steps(
        self, projected: Float[Tensor, "time batch projected"], state: MLSTMState
    ) -> tuple[Float[Tensor, "time batch terms"], tuple[Tensor]]:
        """Return log i - m, the logarithm of the decay of the stored memory, log f + m - m', and -m'; then m."""
        log_input, forget = (part.to(state.stabilizer.dtype) for part in self.split(projected)[-2:])
        log_input = log_input + self.gate_bias[: self.heads]
        log_forget = functional.logsigmoid(forget + self.gate_bias[self.heads :])
        total = log_forget.cumsum(0)
        largest = log_input - total
        if len(largest) > 1:  # ONNX has no such operator, and one step needs none.
            largest = largest.cummax(0).values
        # With a negative m, exp(-m), the lower bound of the normalizer, could overflow.
        m = (total + torch.maximum(state.stabilizer, largest)).clamp(min=0)
        before = torch.cat([state.stabilizer[None], m[:-1]])
        return torch.cat([log_input - m, log_forget + before - m, -m], dim=-1), (m[-1],)

    def parts(self, projected: Projected) -> Parts:
        """Return q, ik/√key, v with a 1 for the normalizer, and log f, for a memory that is divided by exp(m)."""
        q, k, v, _, log_input, log_forget, _ = self._split(projected)
        q, k, v = (self.split_heads(part) for part in (q, k, v))
        k = k * (log_input.exp() / math.sqrt(self.key_size))[..., None]
        return Parts(q, k, functional.pad(v, (0, 1), value=1.0), log_forget)

    def readout(self, reads: Reads, parts: Parts, projected: Projected) -> Outputs:
        """Return σ(o) ⊙ LayerNorm(Cᵀq / max(|nᵀq|, 1))."""
        *_, o, _, _, log_bound = self._split(projected)
        # The bound is 0 in float32 for an m above 103, and then, a query could divide 0 by 0.
        bound = log_bound.clamp(min=-80).exp()[..., None]
        normalized = reads[..., :-1] / torch.maximum(reads[..., -1:].abs(), bound)
        normalized = functional.layer_norm(normalized, (self.value_size,), self.norm_weight, eps=1e-5)
        return torch.sigmoid(o) * normalized.flatten(-2)

    def _split(self, features: Projected) -> Sequence[Tensor]:
        """Return q, k, v and o, and the results of `mix_steps`."""
        q, k, v, o, _, mixed = torch.split(features, [*self.sizes[:4], 2 * self.heads, 3 * self.heads], dim=-1)
        return q, k, v, o, *mixed.chunk(3, dim=-1)
