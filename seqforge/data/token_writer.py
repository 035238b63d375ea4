"""Documents written as tokens, one behind the other, while a second thread writes and a third digests."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.data.background import in_background
from seqforge.data.mapped_tokens import Tokens
from seqforge.data.token_file import TOKENS, TokenFile
from seqforge.errors import DataError
from seqforge.interfaces import Document, Vocabulary


class TokenWriter:
    """Writes a corpus's `tokens.bin`, and then its index.

    Args:
        folder: An empty folder to write to.

    Attributes:
        documents: How many were encoded, those without a symbol included.
        size: Bytes of their text.
    """

    def __init__(self, folder: Path) -> None:
        self.documents = self.size = 0
        self._folder = folder
        self._names: list[str] = []
        self._stops: list[int] = []
        self._ends: list[int] = []
        self._characters: list[int] = []
        self._digest = hashlib.blake2b(digest_size=16)

    def written(self, documents: Iterable[Document], encode: Callable[[bytes], Tokens]) -> Generator[Tokens]:
        """Encode and write every document, one with each step.

        Args:
            documents: The corpus.
            encode: Gives what is to be written of a content, in the integers in which it is to be.

        Yields:
            What is written of a document, for each that has a symbol.

        Raises:
            DataError: Where the corpus is empty or cannot be encoded.
        """
        stop = end = 0
        with (
            (self._folder / TOKENS).open("wb") as file,
            in_background(file.write) as write,
            in_background(self._digest.update) as update,
        ):
            for document in documents:
                self.documents += 1
                self.size += len(document.content)
                try:
                    tokens = np.ascontiguousarray(encode(document.content))
                except DataError as error:
                    raise DataError(f"{document.name}: {error.message}", hint=error.hint) from error
                if tokens.size == 0:
                    continue
                write(tokens.data)
                update(tokens.data)
                update(f"\0{document.name}\0{tokens.size} {tokens.itemsize}\0".encode("utf-8", "surrogateescape"))
                stop += tokens.size
                end += tokens.nbytes
                self._names.append(document.name)
                self._stops.append(stop)
                self._ends.append(end)
                self._characters.append(_count_characters(document.content))
                yield tokens
        if not self._names:
            raise DataError("the corpus is empty", hint="It yielded no document with a symbol in it.")

    def finish(self, vocabulary: Vocabulary, codes: NDArray[np.uint32] | None) -> TokenFile:
        """Write the index of what was written.

        Args:
            vocabulary: What token ids mean; its size decides their type, and the digest is of it too.
            codes: What was written in place of token ids; see `TokenFile`.
        """
        meaning = [vocabulary.state(), None if codes is None else codes.tolist()]
        self._digest.update(json.dumps(meaning, sort_keys=True).encode())
        token_file = TokenFile(
            self._folder,
            token_type(vocabulary),
            self._names,
            np.asarray(self._stops, dtype=np.int64),
            np.asarray(self._ends, dtype=np.int64),
            np.asarray(self._characters, dtype=np.int64),
            codes,
            self._digest.hexdigest(),
        )
        token_file.write_index()
        return token_file


def token_type(vocabulary: Vocabulary) -> np.dtype[np.unsignedinteger[Any]]:
    """Choose the smallest unsigned integers that hold every token id of a vocabulary.

    Args:
        vocabulary: Has learnt.
    """
    return np.min_scalar_type(max(vocabulary.size - 1, 0))


def _count_characters(content: bytes) -> int:
    # In UTF-8 a character is one byte that is not a continuation byte (0b10xxxxxx).
    if content.isascii():
        return len(content)
    codes = np.frombuffer(content, dtype=np.uint8)
    return int(np.count_nonzero((codes & 0xC0) != 0x80))
