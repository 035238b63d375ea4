"""Vocabularies: the 256 bytes of UTF-8, and the Unicode code points of a corpus."""

import codecs
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError
from seqforge.kinds import CodedVocabulary, UnknownSymbolError, Vocabulary

_PIECE_SIZE = 1 << 20
"""Number of UTF-8 bytes that are decoded at once."""

_CODE_POINTS = 0x110000
_ASCII = 0x80
_UNKNOWN = 0xFF
"""Marks an ASCII character outside of the vocabulary. Token ids of ASCII characters are smaller: they are below 128."""


class Bytes(Vocabulary):
    """The 256 byte values of UTF-8 text. Every text can be encoded, and nothing depends on the corpus."""

    @property
    def size(self) -> int:
        """Number of byte values, 256."""
        return 256

    def encode_bytes(self, content: bytes) -> NDArray[np.uint8]:
        """Return the value of each byte as its token id, `[length]`, as a read-only view."""
        return np.frombuffer(content, dtype=np.uint8)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of token ids. They may end within a UTF-8 character."""
        return bytes(tokens)

    def state(self) -> dict[str, Any]:
        """Return an empty state."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Check that a state is empty.

        Raises:
            ValueError: If the state is not empty.
        """
        if state:
            raise ValueError("the state of the vocabulary `bytes` must be empty")


class Characters(CodedVocabulary):
    """The Unicode code points of a corpus in ascending order, which does not depend on the order of the documents."""

    def __init__(self) -> None:
        self.adopt(np.empty(0, dtype=np.uint32))

    def codes(self, content: bytes) -> NDArray[np.unsignedinteger[Any]]:
        """Return the code points of a text, `[length]`, in the smallest unsigned integer type that holds them.

        For ASCII this is a read-only view of the bytes.

        Raises:
            DataError: If the content is not UTF-8.
        """
        if content.isascii():
            return np.frombuffer(content, dtype=np.uint8)
        pieces = [piece.astype(np.min_scalar_type(int(piece.max(initial=0)))) for piece in _code_points(content)]
        return np.concatenate(pieces)

    def adopt(self, codes: NDArray[np.uint32]) -> None:
        """Set the characters of the vocabulary to ascending code points, `[size]`."""
        self._characters = codes.astype("<u4").tobytes().decode("utf-32-le")
        # The token id of each code point, or -1. A table is many times faster than a binary search.
        self._tokens = np.full(_CODE_POINTS, -1, dtype=np.int32)
        self._tokens[codes] = np.arange(len(codes), dtype=np.int32)
        # The same for ASCII, for `bytes.translate`, which is even faster.
        self._ascii = self._tokens[:_ASCII].astype(np.uint8).tobytes() + bytes([_UNKNOWN] * _ASCII)
        self._dtype = np.min_scalar_type(max(len(codes) - 1, 0))

    @property
    def size(self) -> int:
        """Number of characters in the vocabulary."""
        return len(self._characters)

    def encode_bytes(self, content: bytes) -> NDArray[np.unsignedinteger[Any]]:
        """Return the token ids of a text, `[length]`, in the smallest unsigned integer type that holds every id.

        Raises:
            UnknownSymbolError: If a character is not in the vocabulary.
            DataError: If the content is not UTF-8.
        """
        if content.isascii() and _UNKNOWN not in (translated := content.translate(self._ascii)):
            return np.frombuffer(translated, dtype=np.uint8).astype(self._dtype, copy=False)
        parts = [np.empty(0, dtype=self._dtype)]
        position = 0
        for codes in _code_points(content):
            tokens = self._tokens.take(codes)
            unknown = tokens < 0
            if unknown.any():
                first = int(unknown.argmax())
                raise UnknownSymbolError(
                    chr(codes[first]),
                    position + first,
                    hint=f"The vocabulary has the {self.size} characters of the corpus from which it was built. "
                    "Remove other characters, or use the vocabulary `bytes`.",
                )
            parts.append(tokens.astype(self._dtype))
            position += len(codes)
        return np.concatenate(parts)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        """Return the UTF-8 text of token ids."""
        return "".join(map(self._characters.__getitem__, tokens)).encode("utf-8")

    def state(self) -> dict[str, Any]:
        """Return the sorted characters as one string."""
        return {"characters": self._characters}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the characters of the vocabulary.

        Raises:
            ValueError: If the state is not one string of distinct characters in ascending order.
        """
        characters = state.get("characters")
        if not isinstance(characters, str) or set(state) != {"characters"}:
            raise ValueError('the state of the vocabulary `characters` must be {"characters": "…"}')
        # A lone surrogate raises a ValueError here.
        codes = np.frombuffer(characters.encode("utf-32-le"), dtype="<u4")
        if (codes[1:] <= codes[:-1]).any():
            raise ValueError("the characters of the vocabulary must be distinct and in ascending order")
        self.adopt(codes.astype(np.uint32))


def _code_points(content: bytes) -> Iterator[NDArray[np.uint8] | NDArray[np.uint32]]:
    """Yield the code points of a text in pieces, which limits the memory for intermediate results."""
    pieces = ((start, content[start : start + _PIECE_SIZE]) for start in range(0, len(content), _PIECE_SIZE))
    if content.isascii():
        yield from (np.frombuffer(piece, dtype=np.uint8) for _, piece in pieces)
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start, piece in pieces:
        try:
            text = decoder.decode(piece, final=start + _PIECE_SIZE >= len(content))
        except UnicodeDecodeError as error:
            # The decoder may still hold the first bytes of a character from the previous piece.
            offset = start + len(piece) - len(error.object) + error.start
            raise DataError(
                f"byte 0x{content[offset]:02x} at offset {offset} is not UTF-8 ({error.reason})",
                hint="Convert the text to UTF-8, or use the vocabulary `bytes`.",
            ) from error
        yield np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint32, copy=False)
