"""Writing of an encoded corpus, with a digest of its content."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.component_state import checked_state
from seqforge.data.token_file import TOKENS, TokenFile, Tokens
from seqforge.errors import DataError
from seqforge.kinds import Document, Vocabulary


class TokenWriter:
    """Writes the tokens of a corpus to `tokens.bin`, and then its index.

    Args:
        folder: Empty folder for the files.

    Attributes:
        documents: Number of encoded documents, including empty ones.
        size: Size of the text of these documents in bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.documents = self.size = 0
        self._folder = folder
        self._names: list[str] = []
        self._stops: list[int] = []
        self._ends: list[int] = []
        self._characters: list[int] = []
        self._digest = hashlib.blake2b(digest_size=16)

    def write(self, documents: Iterable[Document], encode: Callable[[bytes], Tokens]) -> Generator[Tokens]:
        """Encode and write the documents, one in each step of the generator.

        Args:
            documents: Documents of the corpus.
            encode: Function from the content of a document to its tokens or codes `[length]`.

        Yields:
            The tokens or codes of each document that is not empty.

        Raises:
            DataError: If the corpus is empty or cannot be encoded.
        """
        stop = end = 0
        with (self._folder / TOKENS).open("wb") as file:
            for document in documents:
                self.documents += 1
                self.size += len(document.content)
                try:
                    tokens = np.ascontiguousarray(encode(document.content))
                except DataError as error:
                    raise DataError(f"{document.name}: {error.message}", hint=error.hint) from error
                if tokens.size == 0:
                    continue
                file.write(tokens.data)
                self._digest.update(tokens.data)
                self._digest.update(
                    f"\0{document.name}\0{tokens.size} {tokens.itemsize}\0".encode("utf-8", "surrogateescape")
                )
                stop += tokens.size
                end += tokens.nbytes
                self._names.append(document.name)
                self._stops.append(stop)
                self._ends.append(end)
                self._characters.append(count_characters(document.content))
                yield tokens
        if not self._names:
            raise DataError("the corpus is empty", hint="None of its documents contains a symbol.")

    def finish(self, vocabulary: Vocabulary, codes: NDArray[np.uint32] | None) -> TokenFile:
        """Write the index, and return the token file.

        Args:
            vocabulary: Vocabulary, after learning. Its size determines the integer type of token ids.
            codes: Code of each token id if codes were written, or None.
        """
        metadata = [checked_state(vocabulary.state), None if codes is None else codes.tolist()]
        self._digest.update(json.dumps(metadata, sort_keys=True).encode())
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
    """Return the smallest unsigned integer type that holds every token id of a vocabulary after learning."""
    return np.min_scalar_type(max(vocabulary.size - 1, 0))


def count_characters(content: bytes) -> int:
    """Count the characters that begin in UTF-8 text, which may be cut inside of a character."""
    # Every UTF-8 character has exactly one byte that is not a continuation byte (0b10xxxxxx).
    if content.isascii():
        return len(content)
    codes = np.frombuffer(content, dtype=np.uint8)
    return int(np.count_nonzero((codes & 0xC0) != 0x80))
