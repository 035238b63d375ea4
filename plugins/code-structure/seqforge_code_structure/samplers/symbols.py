"""The symbols of a vocabulary as characters."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqforge.errors import ExperimentError
from seqforge.interfaces import Vocabulary

_OTHER = "x"
"""Stands for a byte that is a part of a character."""


class Symbols:
    """What each token of a vocabulary writes, and which of them are forbidden together.

    Args:
        characters: Of each token, the character that it writes.

    Attributes:
        characters: The same.
        limits: By kind, what logits are cut to: infinity, or minus infinity where a token is forbidden.
    """

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = characters
        self.limits = np.empty((0, len(characters)), dtype=np.float32)
        self._kinds: dict[tuple[str, bool], int] = {}

    def has(self, character: str) -> bool:
        """Tell whether a character can be written.

        Args:
            character: One character.
        """
        return character in self.characters

    def kind(self, characters: str, *, forbidden: bool = True) -> int:
        """Find the row of `limits` that forbids some tokens, and leaves at least one; a row is made once.

        Args:
            characters: What they write.
            forbidden: Whether to forbid these, or all others.
        """
        key = (characters, forbidden)
        if (found := self._kinds.get(key)) is None:
            marks = np.array([(character in characters) is forbidden for character in self.characters])
            found = self._kinds[key] = len(self.limits)
            limits = np.where(marks & ~marks.all(), -np.inf, np.inf).astype(np.float32)
            self.limits = np.append(self.limits, limits[None], axis=0)
        return found

    def of_kinds(self, kinds: list[int]) -> Float[Tensor, "kinds symbols"]:
        """Give rows of `limits`.

        Args:
            kinds: Which.
        """
        return torch.from_numpy(self.limits.take(kinds, axis=0))


def characters_of(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Tell what each token of a vocabulary writes.

    Args:
        vocabulary: One whose symbols are single characters, or bytes.

    Raises:
        ExperimentError: Where a symbol is more than a character.
    """
    return tuple(_character(vocabulary, token) for token in range(vocabulary.size))


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
