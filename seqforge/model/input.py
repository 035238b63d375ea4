"""Input layers, which convert symbols to the inputs of the lowest cell."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.dropout import Dropout


class OneHotInput(nn.Module):
    """Maps each symbol of a vocabulary to a unit vector."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self._symbols = symbols
        # A buffer moves with the model to its device and precision. A table of all unit vectors would take 400 MB for
        # 10,000 symbols.
        self.register_buffer("one", torch.ones(()), persistent=False)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch symbols"]:
        """Return the unit vector of each symbol."""
        zeros = self.get_buffer("one").new_zeros(*tokens.shape, self._symbols)
        return zeros.scatter_(-1, tokens.unsqueeze(-1), 1.0)


class SymbolInput(nn.Identity):
    """Passes on symbols, for a cell that reads them instead of unit vectors."""


class EmbeddingInput(nn.Module):
    """Maps each symbol of a vocabulary to a trainable vector (Bengio et al. 2003).

    Args:
        symbols: Number of symbols.
        embedding_size: Size of a vector.
        dropout: Probability of dropping a symbol in a batch (Gal and Ghahramani 2016, section 4.2).
    """

    def __init__(self, symbols: int, embedding_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding_size)
        self.dropout = Dropout(dropout, per_sequence=True)

    def draw_mask(self) -> Float[Tensor, "symbols 1"] | None:
        """Return the factor of the vector of each symbol for a batch, or None if none is dropped."""
        return self.dropout.draw_mask((self.embedding.num_embeddings, 1), self.embedding.weight)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch embedding"]:
        """Return the vector of each symbol."""
        return self.embedding(tokens)
