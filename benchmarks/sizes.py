"""Sizes of the measured models."""

from dataclasses import dataclass

SYMBOLS = 128
BATCH_SIZE = 64
SEQUENCE_LENGTH = 100
CLIP_NORM = 5.0


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a model, and of the rounds in which it is measured.

    Attributes:
        name: One letter.
        layers: Number of recurrent layers.
        hidden_size: Hidden size of each layer.
        steps: Training steps in one round. A round takes so long that the error of the clock is negligible.
        draws: Symbols to draw for each sample in one round.
    """

    name: str
    layers: int
    hidden_size: int
    steps: int
    draws: int

    def __str__(self) -> str:
        return f"{self.name}: {self.layers}×{self.hidden_size}"


SIZES = {
    size.name: size
    for size in (
        Size("S", 1, 128, steps=5, draws=8000),
        Size("M", 2, 512, steps=1, draws=1000),
        Size("L", 3, 704, steps=1, draws=300),
    )
}
"""Sizes by name. As an LSTM, L has 10.4 million parameters."""
