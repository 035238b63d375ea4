"""The input layer: symbols, or vectors, into what the first cell reads."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class OneHotInput(nn.Module):
    """Each symbol is a unit vector, as in the post: the first cell's input weight holds a row for each symbol.

    Args:
        symbols: Size of the vocabulary.
    """

    def __init__(self, symbols: int) -> None:
        super().__init__()
        # Not a parameter; follows the model to its device and precision.
        self.register_buffer("unit_vectors", torch.eye(symbols), persistent=False)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch symbols"]:
        """Look the unit vectors up."""
        return nn.functional.embedding(tokens, self.get_buffer("unit_vectors"))


class SymbolInput(nn.Module):
    """Symbols as they are, for a first cell that reads them in the place of unit vectors."""

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
        """Leave them."""
        return tokens


class EmbeddingInput(nn.Module):
    """Each symbol is a learnt vector (Bengio et al. 2003).

    Args:
        symbols: Size of the vocabulary.
        embedding_size: Size of a vector.
    """

    def __init__(self, symbols: int, embedding_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding_size)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch embedding"]:
        """Look the vectors up."""
        return self.embedding(tokens)


class VectorInput(nn.Module):
    """Vectors as they are, or projected to another size.

    Args:
        size: Numbers of a vector.
        embedding_size: Size to project to; None to leave them.
    """

    def __init__(self, size: int, embedding_size: int | None) -> None:
        super().__init__()
        self.projection = nn.Linear(size, embedding_size) if embedding_size else nn.Identity()

    def forward(self, vectors: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch input"]:
        """Project them."""
        return self.projection(vectors)
