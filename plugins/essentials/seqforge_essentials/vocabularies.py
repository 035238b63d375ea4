"""Vocabularies: the 256 bytes of UTF-8, the Unicode code points of a corpus, and its most frequent words."""

import codecs
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqforge.errors import DataError
from seqforge.kinds import CodedVocabulary, UnknownSymbolError, Vocabulary

_PIECE_SIZE = 1 << 20
"""Number of UTF-8 bytes that are decoded at once."""

_CODE_POINTS = 0x110000


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
    """The Unicode code points of a corpus in ascending order, which does not depend on the order of the documents.

    Raises:
        ValueError: If `unknown` is given without `characters`.
    """

    def __init__(
        self,
        characters: Annotated[
            str | None, Field(description="Characters that are symbols; by default all of the corpus.", min_length=1)
        ] = None,
        unknown: Annotated[
            str | None,
            Field(
                description="Character that replaces all others than `characters`. The corpus must have it, or one "
                "that it replaces.",
                min_length=1,
                max_length=1,
            ),
        ] = None,
    ) -> None:
        if unknown is not None and characters is None:
            raise ValueError("unknown needs the characters that are known, in `characters`")
        self.unknown = unknown
        listed = _code_points_of("".join(sorted({*(characters or ""), *(unknown or "")})))
        self._listed = None if characters is None else _table(listed, listed, unknown)
        self.adopt(np.empty(0, dtype=np.uint32))

    def codes(self, content: bytes) -> NDArray[np.unsignedinteger[Any]]:
        """Return the code points of a text, `[length]`, in the smallest unsigned integer type that holds them.

        For ASCII this is a read-only view of the bytes, unless the experiment lists the characters.

        Raises:
            DataError: If the content is not UTF-8.
            UnknownSymbolError: If the experiment lists the characters, without `unknown`, and the text has another one.
        """
        if self._listed is not None:
            codes = _look_up(self._listed, content, "Add it to `characters`, or set `unknown`.")
            return codes.astype(np.min_scalar_type(int(codes.max(initial=0))))
        if content.isascii():
            return np.frombuffer(content, dtype=np.uint8)
        pieces = [piece.astype(np.min_scalar_type(int(piece.max(initial=0)))) for piece in _code_points(content)]
        return np.concatenate(pieces)

    def adopt(self, codes: NDArray[np.uint32]) -> None:
        """Set the characters of the vocabulary to ascending code points, `[size]`."""
        self._characters = codes.astype("<u4").tobytes().decode("utf-32-le")
        self._tokens = _table(codes, np.arange(len(codes)), self.unknown)
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
        hint = (
            f"The vocabulary has the {self.size} characters of the corpus from which it was built. Remove other "
            "characters, or use the vocabulary `bytes`."
        )
        if self.unknown is not None:
            hint = f"The corpus has no character that {self.unknown!r} replaces. Add this character to the text."
        return _look_up(self._tokens, content, hint).astype(self._dtype)

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
        codes = _code_points_of(characters)
        if (codes[1:] <= codes[:-1]).any():
            raise ValueError("the characters of the vocabulary must be distinct and in ascending order")
        self.adopt(codes)


def _code_points_of(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint32, copy=False)


def _table(codes: NDArray[np.uint32], numbers: NDArray[Any], unknown: str | None) -> NDArray[np.int32]:
    """Return the number of each code point: -1, or that of the unknown character, if it is not in `codes`.

    A table is many times faster than a binary search.
    """
    table = np.full(_CODE_POINTS, -1, dtype=np.int32)
    table[codes] = numbers
    if unknown is not None:
        table[table < 0] = table[ord(unknown)]
    return table


def _look_up(table: NDArray[np.int32], content: bytes, hint: str) -> NDArray[np.int32]:
    """Return the number of each character of a text, `[length]`.

    Raises:
        UnknownSymbolError: If a number is negative.
        DataError: If the content is not UTF-8.
    """
    parts, position = [np.empty(0, dtype=np.int32)], 0
    for codes in _code_points(content):
        numbers = table.take(codes)
        if (unknown := numbers < 0).any():
            first = int(unknown.argmax())
            raise UnknownSymbolError(chr(codes[first]), position + first, hint=hint)
        parts.append(numbers)
        position += len(codes)
    return np.concatenate(parts)


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
        yield _code_points_of(text)


_WORD = r" ?\w+|\s|[^\w\s]"
"""A word with the space before it, or another character. Every text is a sequence of such parts."""

_BYTES = [bytes([value]) for value in range(256)]


class Words(Vocabulary):
    """The most frequent words of a corpus, each with the space before it, and its other characters.

    A word that is not in the vocabulary is spelled in bytes, so that every text is decoded exactly. With `unknown`, two
    symbols stand for all such words, one of them with the space before it, and their texts are lost. Losses then cannot
    be compared with those of other vocabularies.
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
