"""Cells whose state is one matrix for each head: GLA, HGRN2, Mamba-2 and the gated DeltaNet."""

import math
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import MatrixState, MatrixStateCell, Parts
from seqforge.matrix_states import Outputs, Projected, Reads, delta_rule

HiddenSize = Annotated[PositiveInt, Field(description="Size of the output: the values of all heads.")]
Heads = Annotated[PositiveInt, Field(description="Number of heads. Each has a matrix as its state.")]
KeySize = Annotated[PositiveInt, Field(description="Number of keys of a head: the rows of its state.")]


def gated_norm(reads: Reads, gain: Float[Tensor, " value"], gate: Outputs) -> Outputs:
    """Return RMSNorm(o) ⊙ SiLU(r), with a norm of each head that all heads share the gain of."""
    return functional.rms_norm(reads, gain.shape, gain, 1e-5).flatten(-2) * functional.silu(gate)


class GLA(MatrixStateCell[MatrixState]):
    """Gated linear attention (Yang et al. 2023, arXiv 2312.06635).

    S' = diag(α) S + k vᵀ and h = RMSNorm(S'ᵀ q/√key) ⊙ SiLU(r), where q, k, v and r are products with the input, and
    α = σ(W_2 W_1 x + b)^(1/16) is a decay for each key through a bottleneck of 16. The norm is that of each head.

    The order of the input weight is query, key, value, output gate, bottleneck (q, k, v, r, W_1).

    Args:
        input_size: Number of input features.
        hidden_size: Size of the output.
        heads: Number of heads.
        key_size: Number of keys of a head. The paper has half as many as values.

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


class HGRN2(MatrixStateCell[MatrixState]):
    """HGRN2 (Qin et al. 2024, arXiv 2404.07904): a gated linear RNN whose state is expanded to a matrix.

    S' = diag(f) S + (1 - f) iᵀ and h = RMSNorm(S'ᵀ SiLU(W_q x)), where f = γ + (1 - γ) σ(W_f x) is a forget gate for
    each key, with the lower bound γ, and i = W_i x. The input gate is 1 - f, so that no product computes a key. The
    paper raises γ from layer to layer: give each layer its own.

    The order of the input weight is query, forget gate, value (q, f, i).

    Args:
        input_size: Number of input features.
        hidden_size: Size of the output.
        heads: Number of heads.
        key_size: Number of keys of a head, called the expansion in the paper.
        lower_bound: γ, the lower bound of the forget gate.

    Attributes:
        input_weight: `[2·heads·key + hidden, input]`.
        norm_weight: Gain of the norm, `[hidden]`.
    """

    chunk_size = 16  # A decay for each key takes chunk² numbers for each of them.

    def __init__(
        self,
        input_size: int,
        hidden_size: HiddenSize = 128,
        heads: Heads = 4,
        key_size: KeySize = 32,
        lower_bound: Annotated[float, Field(ge=0, lt=1, description="Lower bound of the forget gate.")] = 0.0,
    ) -> None:
        sizes = (heads * key_size, heads * key_size, hidden_size)
        super().__init__(input_size, hidden_size, sizes, heads=heads, key_size=key_size)
        self.lower_bound = lower_bound
        self.norm_weight = nn.Parameter(torch.empty(hidden_size))
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set the gain of the norm to 1."""
        nn.init.ones_(self.norm_weight)

    def parts(self, projected: Projected) -> Parts:
        """Return SiLU(q), 1 - f, i and log f."""
        q, gate, i = (self.split_heads(part) for part in self.split(projected))
        # 1 - f and log f stay accurate where the gate saturates.
        k = (1 - self.lower_bound) * torch.sigmoid(-gate)
        log_decay = torch.log1p(-k) if self.lower_bound else functional.logsigmoid(gate)
        return Parts(functional.silu(q), k, i, log_decay)

    def readout(self, reads: Reads, parts: Parts, projected: Projected) -> Outputs:
        """Return RMSNorm(o)."""
        return functional.rms_norm(reads.flatten(-2), (self.hidden_size,), self.norm_weight, 1e-5)


class GatedDeltaNet(MatrixStateCell[MatrixState]):
    """Gated DeltaNet (Yang et al. 2024, arXiv 2412.06464).

    S' = αS + βk (v - αSᵀk)ᵀ and h = RMSNorm(S'ᵀ q/√key) ⊙ SiLU(r), where q and k are SiLU(W x), divided by their
    length in each head, v = SiLU(W_v x), α = exp(-A softplus(W_α x + b)), and β = σ(W_β x). With negative eigenvalues,
    β = 2σ(W_β x), so that a step can reflect the state (Grazzi et al. 2025, arXiv 2411.12537). In the paper, a short
    convolution precedes each SiLU.

    The order of the input weight is query, key, value, output gate, decay, rate (q, k, v, r, α, β). As in the
    authors' code, A is initially drawn from U(0, 16), and softplus(b) from 0.001 to 0.1, uniformly in its logarithm.

    Args:
        input_size: Number of input features.
        hidden_size: Size of the output.
        heads: Number of heads.
        key_size: Number of keys of a head. The paper has half as many as values.
        negative_eigenvalues: Whether β is between 0 and 2 instead of 0 and 1.

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
            bool, Field(description="Whether a step may reflect the state, which is needed to track some of them.")
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


class Mamba2(MatrixStateCell[MatrixState]):
    """Mamba-2 (Dao and Gu 2024, arXiv 2405.21060), a state space model whose decay is one number for each head.

    S' = exp(-A dt) S + dt B xᵀ and y = S'ᵀ C + D x, where x, B and C are SiLU(W u) of the input u, and dt =
    softplus(W_dt u + b). All heads share B and C. The output is RMSNorm(y ⊙ SiLU(z)), with z = W_z u and the norm over
    all heads. In the paper, a short convolution precedes the SiLU of x, B and C, and a projection follows.

    The order of the input weight is output gate, value, key, query, step size (z, x, B, C, dt). As in the paper, A is
    initially drawn from U(1, 16), softplus(b) from 0.001 to 0.1, uniformly in its logarithm, and D is 1.

    Args:
        input_size: Number of input features.
        hidden_size: Size of the output.
        heads: Number of heads.
        key_size: Size of the state of each value, called N in the paper.

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
