"""The vocabulary `words`: the most frequent words of a corpus, and the bytes of others."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqforge.kinds import Vocabulary

_WORD = r" ?\w+|\s|[^\w\s]"
"""A word with the space before it, or another character. Every text is a sequence of such parts."""

_BYTES = [bytes([value]) for value in range(256)]


class Words(Vocabulary):
    """The most frequent words of a corpus, each with the space before it, and its other characters.

    A word that is not in the vocabulary is spelled in bytes, so that every text is decoded exactly. With `unknown`, one
    symbol stands for all such words, and their texts are lost. Losses then cannot be compared with those of other
    vocabularies.
    """

    learns = True

    def __init__(
        self,
        size: Annotated[int, Field(description="Largest number of symbols, with bytes.", ge=257, le=1 << 24)] = 10_000,
        unknown: Annotated[
            str | None,
            Field(description="Text that replaces words outside of the vocabulary, such as `<unk>`.", min_length=1),
        ] = None,
    ) -> None:
        self._size = size
        self.unknown = unknown
        self._others = _BYTES if unknown is None else [unknown.encode(), f" {unknown}".encode()]
        self._split = re.compile(_WORD if unknown is None else f" ?{re.escape(unknown)}|{_WORD}").findall
        self._adopt([])

    def learn(self, contents: Iterable[bytes]) -> None:
        """Find the most frequent words. Of equally frequent ones, the first in the order of their text counts."""
        counts = Counter(itertools.chain.from_iterable(map(self._words, contents)))
        known = {symbol.decode(errors="surrogateescape") for symbol in self._others}
        words = sorted(counts.keys() - known, key=lambda word: (-counts[word], word))
        self._adopt([word for word in words if _is_text(word)][: self._size - len(self._others)])

    @property
    def size(self) -> int:
        """Number of symbols."""
        return len(self._symbols)

    def encode_bytes(self, content: bytes) -> NDArray[np.unsignedinteger[Any]]:
        """Return the token ids of a text, `[length]`, in the smallest unsigned integer type that holds every id."""
        return np.fromiter(self._tokens(content), np.min_scalar_type(self.size - 1))

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of token ids. They may end within a UTF-8 character."""
        return b"".join(map(self._symbols.__getitem__, tokens))

    def state(self) -> dict[str, Any]:
        """Return the words in the order of their frequency, with zero bytes between them."""
        return {"words": "\0".join(self._ids)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the words.

        Raises:
            ValueError: If the state is not that of words.
        """
        words = state.get("words")
        if not isinstance(words, str) or set(state) != {"words"}:
            raise ValueError('the state of the vocabulary `words` must be {"words": "…"}')
        known = words.split("\0") if words else []
        if len(set(known)) < len(known) or not all(map(_is_text, known)):
            raise ValueError("the words of the vocabulary must be distinct texts")
        self._adopt(known)

    def _adopt(self, words: Sequence[str]) -> None:
        """Set the words. The first token ids are those of the bytes, or those of an unknown word."""
        self._ids = {word: number for number, word in enumerate(words, start=len(self._others))}
        self._symbols = [*self._others, *map(str.encode, words)]

    def _words(self, content: bytes) -> Iterable[str]:
        return self._split(content.decode(errors="surrogateescape"))

    def _tokens(self, content: bytes) -> Iterator[int]:
        for word in self._words(content):
            if (token := self._ids.get(word)) is not None:
                yield token
            elif self.unknown is None:
                yield from word.encode(errors="surrogateescape")
            else:
                yield int(word.startswith(" "))


def _is_text(word: str) -> bool:
    """Return whether a word can be stored: it has neither a zero byte nor bytes that are not UTF-8."""
    return "\0" not in word and not any("\ud800" <= character <= "\udfff" for character in word) and word != ""
