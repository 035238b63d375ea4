"""The sizes of the models that are measured."""

from dataclasses import dataclass

SYMBOLS = 128
BATCH_SIZE = 64
SEQUENCE_LENGTH = 100
CLIP_NORM = 5.0


@dataclass(frozen=True, slots=True)
class Size:
    """A size of model.

    Attributes:
        name: One letter.
        layers: Recurrent layers.
        hidden_size: Of each.
        steps: Training steps of one round, so that a round is long beside the clock's own error.
        draws: Symbols drawn of each sample in one round.
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
"""By name; L has 10.4 million parameters as an LSTM."""
