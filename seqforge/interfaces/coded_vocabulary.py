"""Vocabularies whose symbols are numbers already, before anything is learnt."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqforge.interfaces.vocabulary import Vocabulary

_PIECE = 1 << 20
"""Codes that are looked at together, so that a long document costs no multiple of its size in memory."""


class CodedVocabulary(Vocabulary):
    """A vocabulary whose every symbol has a code of its own, as a character has its code point.

    A symbol's token id is the place of its code among those that occur, in ascending order. The engine therefore
    writes the codes of a document while it learns which codes there are, and reads and encodes nothing a second time:
    token ids are looked up as tokens are read. A vocabulary that merges, drops or adds symbols derives from
    `Vocabulary`.
    """

    learns: ClassVar[bool] = True

    @abstractmethod
    def codes(self, content: bytes) -> NDArray[np.unsignedinteger[Any]]:
        """Give the code of each symbol of a text, whatever was learnt.

        Args:
            content: UTF-8 text.

        Returns:
            Codes `[length]`, in integers as small as hold them, which is how they are kept. There is a table as long as
            the largest code.

        Raises:
            DataError: Where the content is not UTF-8, or has something that no code stands for.
        """

    @abstractmethod
    def adopt(self, codes: NDArray[np.uint32]) -> None:
        """Take up what was learnt, in place of what was before.

        Args:
            codes: The codes that occur, ascending, each once `[size]`; the first is that of token id 0.
        """

    def learn(self, contents: Iterable[bytes]) -> None:
        """Collect the codes of a corpus, and adopt them; see `Vocabulary.learn`."""
        self.adopt(distinct_codes(map(self.codes, contents)))


def distinct_codes(documents: Iterable[NDArray[np.unsignedinteger[Any]]]) -> NDArray[np.uint32]:
    """Collect the codes that occur in a corpus.

    Args:
        documents: The codes of each document `[length]`.

    Returns:
        The codes, ascending, each once.
    """
    seen = np.zeros(1 << 8, dtype=np.bool_)
    known = b""
    for document in documents:
        for start in range(0, len(document), _PIECE):
            codes = document[start : start + _PIECE]
            if codes.dtype == np.uint8:
                # Only what is new: nearly always nothing, as a deletion tells many times faster than a look-up.
                codes = np.frombuffer(codes.tobytes().translate(None, known), dtype=np.uint8)
                if not len(codes):
                    continue
            more = int(codes.max()) + 1 - len(seen)
            if more > 0:
                seen = np.pad(seen, (0, max(more, len(seen))))
            seen[codes] = True
            known = bytes(np.flatnonzero(seen[: 1 << 8]).tolist())
    return np.flatnonzero(seen).astype(np.uint32)
