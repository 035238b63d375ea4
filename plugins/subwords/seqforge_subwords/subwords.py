"""Base class of the vocabularies of parts of words: symbols are sequences of bytes, and every text is exact."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from seqforge.kinds import Vocabulary

_PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTED]
BYTES = {chr(byte): byte for byte in _PRINTED} | {chr(256 + index): byte for index, byte in enumerate(_OTHERS)}
"""The byte that each character of the library stands for: a printable character for itself, and others in order."""

_PIECE = 1 << 20
"""Number of characters after which a long document is cut at the end of a line."""

_NO_TEXT = re.compile("([\udc80-\udcff]+)")
"""What `surrogateescape` makes of bytes that are not UTF-8."""

_SPLIT = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
"""Divides a text into words with the space before them, numbers, and other characters, as GPT-2 does."""


class Subwords(Vocabulary):
    """A vocabulary whose symbols are the 256 bytes and parts of words, in the library `tokenizers`.

    Every text can be encoded, and its symbols are decoded to exactly this text. A symbol never crosses the boundaries
    of words, numbers and other characters.
    """

    learns = True

    @property
    def size(self) -> int:
        """Number of symbols."""
        return len(self._symbols)

    def encode_bytes(self, content: bytes) -> NDArray[np.unsignedinteger[Any]]:
        """Return the token ids of a text, `[length]`, in the smallest unsigned integer type that holds every id.

        Bytes that are not UTF-8 are symbols of their own.
        """
        dtype = np.min_scalar_type(self.size - 1)
        encode = cast("Any", self._tokenizer).encode
        parts = (
            np.array(encode(piece).ids if isinstance(piece, str) else [*map(self._ids.__getitem__, piece)], dtype)
            for piece in _pieces(content)
        )
        return np.concatenate([np.empty(0, dtype), *parts])

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of token ids. They may end within a UTF-8 character."""
        return b"".join(map(self._symbols.__getitem__, tokens))

    def _use(self, model: models.Model, symbols: Iterable[str]) -> None:
        """Set the model of the library, and its symbols in the order of their ids."""
        self._symbols = [bytes(map(BYTES.__getitem__, symbol)) for symbol in symbols]
        ids = {symbol: number for number, symbol in enumerate(self._symbols)}
        self._ids = [ids[bytes([byte])] for byte in range(256)]
        self._tokenizer = Tokenizer(model)
        self._tokenizer.pre_tokenizer = _SPLIT


def train(model: models.Model, trainer: trainers.Trainer, contents: Iterable[bytes]) -> str:
    """Train a model of the library on documents, and return its description in JSON."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = _SPLIT
    pieces = (piece for content in contents for piece in _pieces(content) if isinstance(piece, str))
    cast("Any", tokenizer).train_from_iterator(pieces, trainer)
    return tokenizer.to_str()


def _pieces(content: bytes) -> Iterator[str | bytes]:
    """Yield a text in pieces, each of which ends with a line, so that memory is bounded; and bytes that are not UTF-8.

    A model may write such bytes.
    """
    for number, part in enumerate(_NO_TEXT.split(content.decode(errors="surrogateescape"))):
        if number % 2:
            yield part.encode(errors="surrogateescape")
            continue
        start = 0
        while start < len(part):
            end = part.find("\n", start + _PIECE) + 1 or len(part)
            yield part[start:end]
            start = end
