"""Input layers, which turn symbols or vectors into the inputs of the first cell."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class OneHotInput(nn.Module):
    """Unit vectors of symbols.

    Args:
        symbols: Size of the vocabulary.
    """

    def __init__(self, symbols: int) -> None:
        super().__init__()
        # A buffer moves with the model to its device and precision, but is not a parameter.
        self.register_buffer("unit_vectors", torch.eye(symbols), persistent=False)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch symbols"]:
        """Return the unit vectors."""
        return nn.functional.embedding(tokens, self.get_buffer("unit_vectors"))


class SymbolInput(nn.Module):
    """Symbols as they are, for a first cell that reads them instead of unit vectors."""

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
        """Return the symbols."""
        return tokens


class EmbeddingInput(nn.Module):
    """Trainable vectors of symbols (Bengio et al. 2003).

    Args:
        symbols: Size of the vocabulary.
        embedding_size: Size of a vector.
    """

    def __init__(self, symbols: int, embedding_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding_size)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch embedding"]:
        """Return the vectors."""
        return self.embedding(tokens)


class VectorInput(nn.Module):
    """Vectors as they are, or projected to another size.

    Args:
        size: Size of a vector.
        embedding_size: Size of the projection, or None for no projection.
    """

    def __init__(self, size: int, embedding_size: int | None) -> None:
        super().__init__()
        self.projection = nn.Linear(size, embedding_size) if embedding_size else nn.Identity()

    def forward(self, vectors: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch input"]:
        """Return the vectors or their projections."""
        return self.projection(vectors)
