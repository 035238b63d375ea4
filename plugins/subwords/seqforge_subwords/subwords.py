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

_PIECE, _LONGEST_PIECE = 1 << 16, 1 << 20
"""Smallest and largest number of characters of a piece of a long text, except for the last."""

_MOST_WORDS, _LONGEST_WORD = 1 << 19, 40
"""Largest number of words whose tokens are kept, and largest number of their characters."""

_SPACE, _VISIBLE = r"[^\S\x1c-\x1f]", r"[\S\x1c-\x1f]"
"""What the library takes for space, and for other characters."""

_WORDS = re.compile(f"{_SPACE}*{_VISIBLE}+|{_SPACE}+")
"""Words with the space before them. The library divides a text there anyway, and further."""

_WORD_END = re.compile(f"(?<={_VISIBLE}){_SPACE}")

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
        parts = [
            self._encode(piece, dtype) if isinstance(piece, str) else np.array(self._ids)[[*piece]].astype(dtype)
            for piece in _pieces(content)
        ]
        return np.concatenate([np.empty(0, dtype), *parts])

    def _encode(self, text: str, dtype: np.dtype[Any]) -> NDArray[np.unsignedinteger[Any]]:
        """Return the token ids of a text. Most words were encoded before: looking them up is several times as fast."""
        words = _WORDS.findall(text)
        if missing := [*{*words}.difference(self._encoded)]:
            if len(self._encoded) + len(missing) > _MOST_WORDS:
                self._encoded = {}
                missing = [*{*words}]
            encoded = cast("Any", self._tokenizer).encode_batch_fast(missing)
            tokens = (np.array(encoding.ids, dtype).tobytes() for encoding in encoded)
            self._encoded.update(zip(missing, tokens, strict=True))
        tokens = np.frombuffer(b"".join(map(self._encoded.__getitem__, words)), dtype)
        for word in missing:
            if len(word) > _LONGEST_WORD:
                del self._encoded[word]
        return tokens

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
        self._encoded = dict[str, bytes]()


def train(model: models.Model, trainer: trainers.Trainer, contents: Iterable[bytes]) -> str:
    """Train a model of the library on documents, and return its description in JSON."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = _SPLIT
    pieces = (piece for content in contents for piece in _pieces(content) if isinstance(piece, str))
    cast("Any", tokenizer).train_from_iterator(pieces, trainer)
    return tokenizer.to_str()


def _pieces(content: bytes) -> Iterator[str | bytes]:
    """Yield a text in pieces, which divide no word; and bytes that are not UTF-8, which a model may write."""
    try:
        parts = [content.decode()]
    except UnicodeDecodeError:
        parts = _NO_TEXT.split(content.decode(errors="surrogateescape"))
    for number, part in enumerate(parts):
        if number % 2:
            yield part.encode(errors="surrogateescape")
            continue
        start = 0
        while start < len(part):
            found = _WORD_END.search(part, start + _PIECE, start + _LONGEST_PIECE)
            end = found.start() if found else start + _LONGEST_PIECE
            yield part[start:end]
            start = end
