"""The symbols of a vocabulary as characters, and a table of what is allowed of them."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqforge.errors import ExperimentError
from seqforge.interfaces import Vocabulary

_OTHER = "x"
"""Stands for a byte that is a part of a character."""


class Symbols:
    """What each token of a vocabulary writes.

    Args:
        vocabulary: One whose symbols are single characters, or bytes.

    Attributes:
        characters: Of each token, the character that it writes.

    Raises:
        ExperimentError: Where a symbol is more than a character.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.characters = [_character(vocabulary, token) for token in range(vocabulary.size)]
        self._rows: dict[tuple[str, bool], int] = {}
        self._table = torch.empty(0, vocabulary.size)

    def has(self, character: str) -> bool:
        """Tell whether a character can be written.

        Args:
            character: One character.
        """
        return character in self.characters

    def row(self, characters: str, *, forbidden: bool) -> int:
        """Find the row of `penalties` that forbids some tokens, and leaves at least one; a row is made once.

        Args:
            characters: What they write.
            forbidden: Whether to forbid these, or all others.
        """
        key = (characters, forbidden)
        if (row := self._rows.get(key)) is not None:
            return row
        marks = torch.tensor([(character in characters) is forbidden for character in self.characters])
        penalty = torch.zeros(len(marks)) if marks.all() else torch.zeros(len(marks)).masked_fill(marks, -torch.inf)
        self._table = torch.cat([self._table, penalty[None]])
        self._rows[key] = len(self._table) - 1
        return self._rows[key]

    def penalties(self, rows: list[int]) -> Float[Tensor, "batch symbols"]:
        """Give what is added to logits: 0 where a token is allowed, minus infinity elsewhere.

        Args:
            rows: For each sample its row.
        """
        # By numpy: for a few rows it takes a third of the time.
        return torch.from_numpy(np.take(self._table.numpy(), rows, axis=0))


def _character(vocabulary: Vocabulary, token: int) -> str:
    content = vocabulary.decode([token])
    if len(content) == 1 and not content.isascii():
        return _OTHER
    text = content.decode("utf-8", "replace")
    if len(text) != 1:
        raise ExperimentError(
            f"the sampler code-structure/balanced needs symbols of one character, and symbol {token} is {text!r}",
            hint="Use a vocabulary of bytes or of characters, or take the sampler out of the chain.",
        )
    return text
