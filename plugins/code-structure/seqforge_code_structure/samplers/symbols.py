"""The symbols of a vocabulary as characters, and masks over them."""

import torch
from jaxtyping import Bool
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
        self._masks: dict[str, Bool[Tensor, " symbols"]] = {}

    def has(self, character: str) -> bool:
        """Tell whether a character can be written.

        Args:
            character: One character.
        """
        return character in self.characters

    def mask(self, characters: str, *, others: bool) -> Bool[Tensor, " symbols"]:
        """Mark tokens; a mask is made once.

        Args:
            characters: What they write.
            others: Whether to mark all other tokens instead.
        """
        key = ("^" if others else "=") + characters
        if key not in self._masks:
            marks = [(character in characters) is not others for character in self.characters]
            self._masks[key] = torch.tensor(marks)
        return self._masks[key]


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
