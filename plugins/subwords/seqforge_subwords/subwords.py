"""Vocabularies of parts of words: symbols are sequences of bytes, and every text is exact.

The symbols of `bpe` are bytes, and sequences of bytes that are frequent in a corpus; those of `unigram` are parts of
words, chosen so that the most probable division of the text is short.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from seqforge.data.encoding import read_vocabulary
from seqforge.data.token_file import VOCABULARY
from seqforge.errors import DataError
from seqforge.kinds import ExperimentPath, Vocabulary
from seqforge.storage.files import read_bounded

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


_DIGITS = 6
"""Decimal digits of a logarithm that are kept. The library adds numbers in an order that changes from run to run."""


class Unigram(Subwords):
    """Unigram language model (Kudo 2018, https://arxiv.org/abs/1804.10959) of the parts of words.

    Each symbol has a probability, and a word is divided so that the product of the probabilities is largest. Among the
    symbols are the 256 bytes.
    """

    def __init__(
        self,
        size: Annotated[
            int, Field(description="Largest number of symbols, the 256 bytes included.", ge=257, le=1 << 20)
        ] = 4096,
    ) -> None:
        self._size = size
        self._adopt([(symbol, 0.0) for symbol in BYTES])

    def learn(self, contents: Iterable[bytes]) -> None:
        """Find the symbols and their probabilities."""
        trainer = trainers.UnigramTrainer(vocab_size=self._size, initial_alphabet=list(BYTES), show_progress=False)
        found = json.loads(train(models.Unigram(), trainer, contents))["model"]["vocab"]
        scores = {symbol: 0.0 if score is None else round(score, _DIGITS) for symbol, score in found}
        # The library numbers rare bytes in any order, and leaves them out if there is nothing to learn from.
        lowest = min((score for symbol, score in scores.items() if len(symbol) > 1), default=0.0)
        scores |= {symbol: max(scores.get(symbol, lowest), lowest) for symbol in BYTES}
        self._adopt(sorted(scores.items(), key=lambda item: (-item[1], item[0])))

    def state(self) -> dict[str, Any]:
        """Return the symbols with the logarithms of their probabilities, one in each line."""
        return {"symbols": "\n".join(f"{symbol} {score!r}" for symbol, score in self._scores)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the symbols.

        Raises:
            ValueError: If the state is not that of a unigram model.
        """
        symbols = state.get("symbols")
        if not isinstance(symbols, str) or set(state) != {"symbols"}:
            raise ValueError('the state of the vocabulary `unigram` must be {"symbols": "…"}')
        self._adopt([_symbol(line) for line in symbols.splitlines()])

    def _adopt(self, scores: Sequence[tuple[str, float]]) -> None:
        """Set the symbols and the logarithms of their probabilities. Token ids follow the order."""
        names = [symbol for symbol, _ in scores]
        if not BYTES.keys() <= {*names} or len({*names}) < len(names):
            raise ValueError("the symbols must be distinct, with all bytes among them")
        self._scores = scores
        self._use(models.Unigram(list(scores), None, False), names)


def _symbol(line: str) -> tuple[str, float]:
    """Return the symbol and the logarithm of a line.

    Raises:
        ValueError: If the line has another form, or the symbol stands for no bytes.
    """
    symbol, score = line.split(" ")
    if not symbol or not BYTES.keys() >= {*symbol}:
        raise ValueError(f"{symbol!r} does not stand for bytes")
    return symbol, float(score)


_LARGEST_FILE = 1 << 26
"""Size limit of a file of the library, in bytes. That of a vocabulary of 128,000 symbols has 9 million."""


class BytePairs(Subwords):
    """Byte pair encoding (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909) of bytes, as in GPT-2.

    The symbols are the 256 bytes, and what the merges of two symbols yield.

    Raises:
        DataError: If the file contains no byte pairs as in GPT-2.
        RunError: If it is a damaged `vocabulary.json`, or that of another vocabulary.
    """

    def __init__(
        self,
        size: Annotated[
            int, Field(description="Largest number of symbols, the 256 bytes included.", ge=257, le=1 << 20)
        ] = 4096,
        file: Annotated[
            ExperimentPath | None,
            Field(
                description="File whose first merges are used instead of those that are learned: `vocabulary.json` of "
                "a run, or `tokenizer.json` of the library `tokenizers`, without its special tokens."
            ),
        ] = None,
    ) -> None:
        self._size, self._file = size, file
        # A run restores its own merges, so that it can be used where there is no such file.
        self.learns = file is None or not Path(file).exists()
        self._adopt([] if file is None or self.learns else _read_merges(Path(file))[: size - len(BYTES)])

    def learn(self, contents: Iterable[bytes]) -> None:
        """Find the merges: again and again the most frequent pair of neighbours, up to the size.

        Raises:
            DataError: If the merges are those of a file, which is missing.
        """
        if self._file is not None:
            raise DataError(f"{self._file}: no such file", hint="Check the path in `file`.")
        trainer = trainers.BpeTrainer(vocab_size=self._size, initial_alphabet=list(BYTES), show_progress=False)
        self._adopt(_pairs(json.loads(train(models.BPE(), trainer, contents))["model"]["merges"]))

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
        self._adopt(_pairs(merges.splitlines()))

    def _adopt(self, merges: Sequence[tuple[str, str]]) -> None:
        """Set the merges. Token ids are those of the bytes, and then those of the results of the merges in order."""
        ids = dict(sorted(BYTES.items(), key=lambda item: item[1]))
        for first, second in merges:
            if first not in ids or second not in ids:
                raise ValueError(f"the merge of {first!r} and {second!r} precedes one of them")
            ids.setdefault(first + second, len(ids))
        self._merges = merges
        self._use(models.BPE(vocab=ids, merges=list(merges)), ids)


def _pairs(merges: Iterable[Any]) -> list[tuple[str, str]]:
    """Return merges, each of which is a text with a space or two texts, as pairs.

    Raises:
        ValueError: If one has another form.
    """
    parts = (merge.split(" ") if isinstance(merge, str) else merge for merge in merges)
    return [(str(first), str(second)) for first, second in parts]


def _read_merges(path: Path) -> list[tuple[str, str]]:
    """Read the merges of a run or of a file of the library.

    Raises:
        DataError: If the file has another form, or divides texts in another way.
        RunError: If it is a damaged `vocabulary.json`, or that of another vocabulary.
    """
    if path.name == VOCABULARY:
        vocabulary = BytePairs()
        read_vocabulary(vocabulary, path)
        return _pairs(vocabulary.state()["merges"].splitlines())
    try:
        content = json.loads(read_bounded(path, _LARGEST_FILE))
        kind, split, normalizer = content["model"]["type"], content["pre_tokenizer"], content.get("normalizer")
        merges = _pairs(content["model"]["merges"])
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", hint="Check the path in `file`.") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} is not a file of the library tokenizers with byte pairs",
            hint="Name a tokenizer.json whose model has the type BPE, or the vocabulary.json of a run.",
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
