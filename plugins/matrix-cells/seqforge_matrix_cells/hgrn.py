"""HGRN2."""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from seqforge.kinds import MatrixState, MatrixStateCell, Parts
from seqforge.matrix_states import Outputs, Projected, Reads
from seqforge_matrix_cells.options import Heads, HiddenSize, KeySize


class HGRN2(MatrixStateCell[MatrixState]):
    """HGRN2 (Qin et al. 2024, arXiv 2404.07904): a gated linear RNN whose state is expanded to a matrix.

    S' = diag(f) S + (1 - f) iᵀ and h = RMSNorm(S'ᵀ SiLU(W_q x)), where f = γ + (1 - γ) σ(W_f x) is a forget gate for
    each key, with the lower bound γ, and i = W_i x. The input gate is 1 - f, so that no product computes a key. The
    paper calls the number of keys of a head the expansion, and raises γ from layer to layer: give each layer its own.

    The order of the input weight is query, forget gate, value (q, f, i).

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
