"""Vocabularies: mappings from text to token ids and back."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError, describe_type
from seqforge.faults import wrong_result

__all__ = ["CodedVocabulary", "UnknownSymbolError", "Vocabulary"]

_PIECE = 1 << 20
"""Number of codes that are examined at once. It bounds memory for long documents."""


class UnknownSymbolError(DataError):
    """A text contains a symbol that is not in the vocabulary.

    Args:
        symbol: The symbol as text.
        position: Index of the symbol in the encoded text, in symbols.
        hint: What the user can do.
    """

    def __init__(self, symbol: str, position: int, *, hint: str | None = None) -> None:
        super().__init__(f"{symbol!r} at position {position} is not in the vocabulary", hint=hint)
        self.symbol = symbol
        self.position = position


class Vocabulary(ABC):
    """A mapping from UTF-8 text to token ids and back.

    A vocabulary with `learns = True` receives every document before the first one is encoded. Its token ids depend on
    the set of documents, but not on their order. `state` and `restore` save and load the result.

    Attributes:
        learns: Whether `learn` or `restore` must be called before anything is encoded.
        unknown: Text of the symbol that replaces what is not in the vocabulary. If it is None, as by default, `encode`
            raises an `UnknownSymbolError` instead, and every text is decoded as it was.
    """

    learns: bool = False
    unknown: str | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if callable(vars(cls).get("size")):
            raise TypeError(f"`size` of {cls.__name__} is a method: write @property above it")

    def learn(self, contents: Iterable[bytes]) -> None:
        """Collect the symbols of a corpus from its documents in UTF-8. The default does nothing."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of symbols. Token ids range from 0 to `size` - 1."""

    def encode(self, text: str | bytes) -> NDArray[np.integer[Any]]:
        """Return the token ids `[length]` of a text, or of its bytes in UTF-8.

        Raises:
            DataError: If it is neither.
            UnknownSymbolError: If a symbol is not in the vocabulary.
            PluginError: If `encode_bytes` does not return token ids.
        """
        if not isinstance(text, str | bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DataError(f"the text to encode is {describe_type(text)}, not text", hint="Pass a str.")
        tokens: Any = self.encode_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
        is_array = isinstance(cast("object", tokens), np.ndarray)
        if not is_array or tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            shown = f"an array {list(tokens.shape)} of {tokens.dtype}" if is_array else describe_type(tokens)
            raise wrong_result(self.encode_bytes, f"returned {shown}, not a vector of integers")
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.size:
            problem = f"returned token ids from {tokens.min()} to {tokens.max()}, not from 0 to {self.size - 1}"
            raise wrong_result(self.encode_bytes, problem)
        return tokens

    @abstractmethod
    def encode_bytes(self, content: bytes) -> NDArray[np.integer[Any]]:
        """Return the token ids `[length]` of a text in UTF-8.

        Raises:
            DataError: If the content is not UTF-8.
            UnknownSymbolError: If a symbol is not in the vocabulary.
        """

    def decode(self, tokens: Iterable[int]) -> bytes:
        """Return the text of token ids in UTF-8. The text of a part of the tokens may end inside a character.

        Raises:
            DataError: If a token id is not an integer from 0 to `size` - 1.
            PluginError: If `decode_tokens` does not return bytes.
        """
        try:
            ids = [*map(operator.index, tokens)]
        except TypeError as error:
            raise DataError(
                f"the token ids to decode must be integers, not {tokens!r:.60}",
                hint=f"Pass a list of integers from 0 to {self.size - 1}.",
            ) from error
        if ids and not 0 <= min(ids) <= max(ids) < self.size:
            wrong = next(token for token in ids if not 0 <= token < self.size)
            raise DataError(
                f"the token id {wrong} is not in the vocabulary of {self.size} symbols",
                hint=f"Token ids range from 0 to {self.size - 1}.",
            )
        content: Any = self.decode_tokens(ids)
        if not isinstance(content, bytes):
            raise wrong_result(self.decode_tokens, f"returned {describe_type(content)}, not bytes")
        return content

    @abstractmethod
    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        """Return the text of token ids, which are in the vocabulary, in UTF-8: that of each, one after the other."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain JSON values: what was learned, or what the options name."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` returned in this or another process.

        Raises:
            ValueError: If the state is invalid.
        """


class CodedVocabulary(Vocabulary):
    """A vocabulary whose symbols have fixed codes, as characters have code points.

    The token id of a symbol is the rank of its code among the codes that occur. The engine writes the codes of each
    document while it collects the set of codes, and translates codes to token ids when it reads tokens. Therefore each
    document is read and encoded only once. A vocabulary that merges, drops or adds symbols must derive from
    `Vocabulary` instead.
    """

    learns: bool = True

    @abstractmethod
    def codes(self, content: bytes) -> NDArray[np.unsignedinteger[Any]]:
        """Return the code of each symbol of a text in UTF-8, whether or not it was learned.

        Returns:
            Codes `[length]`, in the smallest integer type that holds them, since they are stored in this type. The
            engine allocates a table of the size of the largest code.

        Raises:
            DataError: If the content is not UTF-8, or contains something without a code.
        """

    @abstractmethod
    def adopt(self, codes: NDArray[np.uint32]) -> None:
        """Set the codes of the vocabulary: the distinct codes that occur, ascending `[size]`. The first has id 0."""

    def learn(self, contents: Iterable[bytes]) -> None:
        """Collect the codes of a corpus and adopt them."""
        self.adopt(distinct_codes(map(self.codes, contents)))


def size_fault(vocabulary: Vocabulary) -> str | None:
    """Return what is wrong with the size of a vocabulary, or None. After learning an empty text, it may be 0."""
    size: Any = vocabulary.size
    return None if isinstance(size, int) and size >= 0 else f"`size` is {size!r:.60}, not an integer that is at least 0"


def rank_fault(vocabulary: CodedVocabulary, codes: NDArray[np.uint32], content: bytes) -> str | None:
    """Return what is wrong with the token ids of a text, given the codes `[size]` of its vocabulary, or None."""
    ranks, tokens = np.searchsorted(codes, vocabulary.codes(content)), vocabulary.encode(content)
    if np.array_equal(tokens, ranks):
        return None
    text, ids = content[:20].decode(errors="replace"), f"{tokens[:8].tolist()}, not {ranks[:8].tolist()}"
    return f"disagrees with `codes`: the token id of a symbol must be the rank of its code; those of {text!r} are {ids}"


def distinct_codes(documents: Iterable[NDArray[np.unsignedinteger[Any]]]) -> NDArray[np.uint32]:
    """Return the distinct codes of a corpus in ascending order, from the codes `[length]` of each document."""
    seen = np.zeros(1 << 8, dtype=np.bool_)
    known = b""
    for document in documents:
        for start in range(0, len(document), _PIECE):
            codes = document[start : start + _PIECE]
            if codes.dtype == np.uint8:
                # Keep only new codes, which are rare. Deleting known bytes is many times faster than looking up codes.
                codes = np.frombuffer(codes.tobytes().translate(None, known), dtype=np.uint8)
                if not len(codes):
                    continue
            more = int(codes.max()) + 1 - len(seen)
            if more > 0:
                seen = np.pad(seen, (0, max(more, len(seen))))
            seen[codes] = True
            known = bytes(np.flatnonzero(seen[: 1 << 8]).tolist())
    return np.flatnonzero(seen).astype(np.uint32)
