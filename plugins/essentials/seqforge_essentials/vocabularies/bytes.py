"""Bytes: the vocabulary that fits every text."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.interfaces import Vocabulary


class Bytes(Vocabulary):
    """The 256 byte values of UTF-8 text; there is nothing to learn, and no text is outside it."""

    @property
    def size(self) -> int:
        """256."""
        return 256

    def encode(self, content: bytes) -> NDArray[np.uint8]:
        """Take each byte's value as its token id, without a copy.

        Args:
            content: UTF-8 text.

        Returns:
            Token ids `[length]`, read-only.
        """
        return np.frombuffer(content, dtype=np.uint8)

    def decode(self, tokens: Iterable[int]) -> bytes:
        """Turn token ids back into bytes, which may end inside a character.

        Args:
            tokens: Token ids.
        """
        return bytes(tokens)

    def state(self) -> dict[str, Any]:
        """Give nothing: nothing is learnt."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up nothing.

        Args:
            state: An empty state.

        Raises:
            ValueError: Where it is not empty.
        """
        if state:
            raise ValueError("a vocabulary of bytes has no state")
