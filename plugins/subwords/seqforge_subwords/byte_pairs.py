"""The vocabulary `bpe`: bytes, and sequences of bytes that are frequent in a corpus."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from seqforge.errors import DataError
from seqforge.kinds import ExperimentPath, Vocabulary
from seqforge.storage.files import read_bounded

_PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTED]
_BYTES = {chr(byte): byte for byte in _PRINTED} | {chr(256 + index): byte for index, byte in enumerate(_OTHERS)}
"""The byte that each character of the library stands for: a printable character for itself, and others in order."""

_PIECE = 1 << 20
"""Number of characters after which a long document is cut at the end of a line."""

_NO_TEXT = re.compile("([\udc80-\udcff]+)")
"""What `surrogateescape` makes of bytes that are not UTF-8."""

_LARGEST_FILE = 1 << 26
"""Size limit of a file of the library, in bytes. That of a vocabulary of 128,000 symbols has 9 million."""

_SPLIT = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
"""Divides a text into words with the space before them, numbers, and other characters, as GPT-2 does."""


class BytePairs(Vocabulary):
    """Byte pair encoding (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909) of bytes, as in GPT-2.

    The symbols are the 256 bytes, and what the merges of two symbols yield. Every text can be encoded, and its symbols
    are decoded to exactly this text. A merge never crosses the boundaries of words, numbers and other characters.

    Raises:
        DataError: If the file is not one of the library `tokenizers` with byte pairs as in GPT-2.
    """

    learns = True

    def __init__(
        self,
        size: Annotated[
            int, Field(description="Largest number of symbols, the 256 bytes included.", ge=257, le=1 << 20)
        ] = 4096,
        file: Annotated[
            ExperimentPath | None,
            Field(
                description="File `tokenizer.json` of the library `tokenizers`, whose first merges are used instead of "
                "those that are learned. Its special tokens are not used."
            ),
        ] = None,
    ) -> None:
        self._size = size
        self._given = None if file is None else _read_merges(Path(file))[: size - len(_BYTES)]
        self._adopt([])

    def learn(self, contents: Iterable[bytes]) -> None:
        """Find the merges: again and again the most frequent pair of neighbours, up to the size."""
        if self._given is not None:
            self._adopt(self._given)
            return
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = _SPLIT
        trainer = trainers.BpeTrainer(vocab_size=self._size, initial_alphabet=list(_BYTES), show_progress=False)
        pieces = (piece for content in contents for piece in _pieces(content) if isinstance(piece, str))
        cast("Any", tokenizer).train_from_iterator(pieces, trainer)
        self._adopt(_merges_of(tokenizer.to_str()))

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
            np.array(encode(piece).ids if isinstance(piece, str) else [*piece], dtype) for piece in _pieces(content)
        )
        return np.concatenate([np.empty(0, dtype), *parts])

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of token ids. They may end within a UTF-8 character."""
        return b"".join(map(self._symbols.__getitem__, tokens))

    def state(self) -> dict[str, Any]:
        """Return the merges in their order, one in each line."""
        return {"merges": "\n".join(map(" ".join, self._merges))}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the merges.

        Raises:
            ValueError: If the state is not that of byte pairs.
        """
        merges = state.get("merges")
        if not isinstance(merges, str) or set(state) != {"merges"}:
            raise ValueError('the state of the vocabulary `bpe` must be {"merges": "…"}')
        self._adopt([_pair(line) for line in merges.splitlines()])

    def _adopt(self, merges: Sequence[tuple[str, str]]) -> None:
        """Set the merges. Token ids are those of the bytes, and then those of the results of the merges in order."""
        ids = dict(sorted(_BYTES.items(), key=lambda item: item[1]))
        for first, second in merges:
            if first not in ids or second not in ids:
                raise ValueError(f"the merge of {first!r} and {second!r} precedes one of them")
            ids.setdefault(first + second, len(ids))
        self._merges = merges
        self._symbols = [bytes(map(_BYTES.__getitem__, symbol)) for symbol in ids]
        self._tokenizer = Tokenizer(models.BPE(vocab=ids, merges=list(merges)))
        self._tokenizer.pre_tokenizer = _SPLIT


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


def _pair(line: str) -> tuple[str, str]:
    """Return the two symbols of a line of merges.

    Raises:
        ValueError: If the line has another form.
    """
    first, second = line.split(" ")
    return first, second


def _merges_of(text: str) -> list[tuple[str, str]]:
    """Return the merges in a file of the library, which writes each as a text or as two."""
    merges = json.loads(text)["model"]["merges"]
    return [_pair(merge) if isinstance(merge, str) else (str(merge[0]), str(merge[1])) for merge in merges]


def _read_merges(path: Path) -> list[tuple[str, str]]:
    """Read the merges of a file of the library.

    Raises:
        DataError: If the file has another form, or divides texts in another way.
    """
    try:
        text = read_bounded(path, _LARGEST_FILE).decode(errors="replace")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", hint="Check the path in `file`.") from error
    try:
        content = json.loads(text)
        kind, split, normalizer = content["model"]["type"], content["pre_tokenizer"], content.get("normalizer")
        merges = _merges_of(text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} is not a file of the library tokenizers with byte pairs",
            hint="Name a tokenizer.json whose model has the type BPE.",
        ) from error
    expected = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    if kind != "BPE" or normalizer is not None or not _contains(split, expected):
        raise DataError(
            f"{path} divides or changes texts in another way than GPT-2",
            hint="Leave out `file`, so that the vocabulary is learned from the corpus.",
        )
    return merges


def _contains(table: Any, expected: dict[str, Any]) -> bool:
    return isinstance(table, dict) and all(
        cast("dict[str, Any]", table).get(key, value) == value for key, value in expected.items()
    )
