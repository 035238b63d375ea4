"""The symbols that a writer has: those of a text or the classes, and the one that says that it ends."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.interfaces import Classes, ExampleSpec, Vocabulary


class TargetVocabulary(Vocabulary):
    """What a writer's symbols stand for, as samplers ask of a vocabulary; the last is the end, which is no text.

    Args:
        spec: What is written.
        vocabulary: Of text.
    """

    def __init__(self, spec: ExampleSpec, vocabulary: Vocabulary) -> None:
        self._names = spec.target.names if isinstance(spec.target, Classes) else None
        self._vocabulary = vocabulary
        self.end = spec.output_size(vocabulary.size)

    @property
    def size(self) -> int:
        """How many symbols there are, the end included."""
        return self.end + 1

    def encode(self, content: bytes) -> NDArray[np.integer[Any]]:
        """Turn text into symbols; names of classes stand apart by spaces.

        Args:
            content: UTF-8 text.

        Raises:
            ValueError: Where a name is no class's.
        """
        if self._names is None:
            return self._vocabulary.encode(content)
        return np.array([self._names.index(name) for name in content.decode().split()], dtype=np.int64)

    def decode(self, tokens: Iterable[int]) -> bytes:
        """Turn symbols back into text; names of classes stand apart by spaces.

        Args:
            tokens: Symbols.
        """
        own = [token for token in tokens if token != self.end]
        if self._names is None:
            return self._vocabulary.decode(own)
        return " ".join(self._names[token] for token in own).encode()

    def state(self) -> dict[str, Any]:
        """Give the vocabulary's state."""
        return self._vocabulary.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the vocabulary's state.

        Args:
            state: What `state` gave.
        """
        self._vocabulary.restore(state)
