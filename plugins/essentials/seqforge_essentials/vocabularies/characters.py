"""Characters: the Unicode code points of a corpus."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.interfaces import CodedVocabulary, UnknownSymbolError
from seqforge_essentials.vocabularies.code_points import code_points

_CODE_SPACE = 0x110000
_ASCII = 0x80
_UNKNOWN = 0xFF
"""No token id of a character of ASCII: those come first, and are fewer."""


class Characters(CodedVocabulary):
    """The code points that occur in a corpus, in their own order, so that token ids do not depend on its order."""

    def __init__(self) -> None:
        self.adopt(np.empty(0, dtype=np.uint32))

    def codes(self, content: bytes) -> NDArray[np.unsignedinteger[Any]]:
        """Give the code points of a text.

        Args:
            content: UTF-8 text.

        Returns:
            Code points `[length]`, in the smallest unsigned integers that hold them; of ASCII the bytes themselves,
            read-only.

        Raises:
            DataError: Where the content is not UTF-8.
        """
        if content.isascii():
            return np.frombuffer(content, dtype=np.uint8)
        pieces = [piece.astype(np.min_scalar_type(int(piece.max(initial=0)))) for piece in code_points(content)]
        return np.concatenate(pieces)

    def adopt(self, codes: NDArray[np.uint32]) -> None:
        """Take up the characters that occur.

        Args:
            codes: Their code points, ascending `[size]`.
        """
        self._characters = codes.astype("<u4").tobytes().decode("utf-32-le")
        # From each code point its token id, or -1: a look-up is many times as fast as a search in the sorted codes.
        self._tokens = np.full(_CODE_SPACE, -1, dtype=np.int32)
        self._tokens[codes] = np.arange(len(codes), dtype=np.int32)
        # The same for ASCII, as `bytes.translate` takes it, which is faster still.
        self._ascii = self._tokens[:_ASCII].astype(np.uint8).tobytes() + bytes([_UNKNOWN] * _ASCII)
        self._dtype = np.min_scalar_type(max(len(codes) - 1, 0))

    @property
    def size(self) -> int:
        """How many characters were learnt."""
        return len(self._characters)

    def encode(self, content: bytes) -> NDArray[np.unsignedinteger[Any]]:
        """Turn UTF-8 text into token ids.

        Args:
            content: UTF-8 text.

        Returns:
            Token ids `[length]`, in the smallest unsigned integers that hold every id.

        Raises:
            UnknownSymbolError: Where a character was not learnt.
            DataError: Where the content is not UTF-8.
        """
        if content.isascii() and _UNKNOWN not in (translated := content.translate(self._ascii)):
            return np.frombuffer(translated, dtype=np.uint8).astype(self._dtype, copy=False)
        parts = [np.empty(0, dtype=self._dtype)]
        position = 0
        for codes in code_points(content):
            tokens = self._tokens.take(codes)
            unknown = tokens < 0
            if unknown.any():
                first = int(unknown.argmax())
                raise UnknownSymbolError(
                    chr(codes[first]),
                    position + first,
                    hint=f"The vocabulary has the {self.size} characters of the corpus it was learnt from; leave out "
                    "others, or use the vocabulary of bytes.",
                )
            parts.append(tokens.astype(self._dtype))
            position += len(codes)
        return np.concatenate(parts)

    def decode(self, tokens: Iterable[int]) -> bytes:
        """Turn token ids back into UTF-8 text.

        Args:
            tokens: Token ids.
        """
        return "".join(map(self._characters.__getitem__, tokens)).encode("utf-8")

    def state(self) -> dict[str, Any]:
        """Give the characters in order, as one string."""
        return {"characters": self._characters}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the characters that were learnt.

        Args:
            state: What `state` gave.

        Raises:
            ValueError: Where it is not one string of characters, each once, in order.
        """
        characters = state.get("characters")
        if not isinstance(characters, str) or set(state) != {"characters"}:
            raise ValueError('the state of a vocabulary of characters is {"characters": "…"}')
        # A lone surrogate is a ValueError here.
        codes = np.frombuffer(characters.encode("utf-32-le"), dtype="<u4")
        if (codes[1:] <= codes[:-1]).any():
            raise ValueError("the characters of a vocabulary must be sorted, and each must stand there once")
        self.adopt(codes.astype(np.uint32))
