"""Vocabularies: text to token ids and back."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError


class UnknownSymbolError(DataError):
    """Text holds a symbol outside the vocabulary.

    Args:
        symbol: The symbol, as text.
        position: Where it stands in the text that was encoded, in symbols from 0.
        hint: What to do about it.
    """

    def __init__(self, symbol: str, position: int, *, hint: str | None = None) -> None:
        super().__init__(f"{symbol!r} at position {position} is not in the vocabulary", hint=hint)
        self.symbol = symbol
        self.position = position


class Vocabulary(ABC):
    """Maps UTF-8 text to token ids and back.

    A vocabulary with `learns = True` is shown every document before the first is encoded; its order of symbols
    depends on the set of documents alone, not on their order. `state` and `restore` carry what was learnt.

    Attributes:
        learns: Whether `learn` must be called, or `restore`, before anything is encoded.
    """

    learns: ClassVar[bool] = False

    def learn(self, contents: Iterable[bytes]) -> None:
        """Collect the symbols of a corpus; by default nothing.

        Args:
            contents: The documents' contents, in UTF-8.
        """

    @property
    @abstractmethod
    def size(self) -> int:
        """How many symbols there are: token ids run from 0 to `size` - 1."""

    @abstractmethod
    def encode(self, content: bytes) -> NDArray[np.integer[Any]]:
        """Turn UTF-8 text into token ids `[length]`.

        Args:
            content: UTF-8 text.

        Raises:
            UnknownSymbolError: Where a symbol is not in the vocabulary.
        """

    @abstractmethod
    def decode(self, tokens: Iterable[int]) -> bytes:
        """Turn token ids back into UTF-8 text; a part of a text may end inside a character.

        Args:
            tokens: Token ids.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Give what was learnt, as plain JSON values."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave.

        Args:
            state: What `state` gave, from this or another process.

        Raises:
            ValueError: Where it is not such a state.
        """
