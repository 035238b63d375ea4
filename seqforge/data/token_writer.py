"""Writing of an encoded corpus: the tokens, an index of them, and a journal from which a killed encoding continues."""

import hashlib
import json
from array import array
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.component_state import checked_state
from seqforge.data.token_file import INDEX, TOKENS, TokenFile, Tokens, count_characters, token_type
from seqforge.errors import DataError
from seqforge.kinds import Document, Vocabulary
from seqforge.storage.cache import JOURNAL
from seqforge.storage.records import parse_sealed_json, to_sealed_json

CHECKPOINT_SIZE = 1 << 25
"""Bytes of text after which the documents since the last time are noted in the journal."""


class TokenWriter:
    """Writes the tokens of a corpus to `tokens.bin`, and then its index.

    The folder for the files is empty, or contains those of a killed process.

    Attributes:
        documents: Number of encoded documents, including empty ones.
        size: Size of the text of these documents in bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.documents = self.size = 0
        self._folder = folder
        self._names: list[str] = []
        self._lengths, self._widths = array("q"), array("q")  # in tokens, and of a token in bytes
        self._characters, self._sizes = array("q"), array("q")
        self._digest = hashlib.blake2b(digest_size=16)
        self._lines: list[bytes] = []  # of the journal, not written yet

    def take_over(self) -> None:
        """Continue after the documents of a killed process, as far as its tokens match the digests of the journal."""
        path = self._folder / JOURNAL
        if not path.is_file():
            (self._folder / TOKENS).write_bytes(b"")
            return
        kept = length = 0
        with path.open("rb+") as journal, (self._folder / TOKENS).open("rb+") as file:
            for line in journal:
                try:
                    entry = parse_sealed_json(line.rstrip(b"\n"))
                except ValueError:
                    break
                tokens = np.frombuffer(file.read(entry["tokens"] * entry["width"]), np.uint8)
                digest = self._digest.copy()
                self._update(tokens.data, entry)
                if self._digest.hexdigest() != entry["digest"]:
                    self._digest = digest
                    break
                self._append(entry)
                kept, length = kept + len(line), file.tell()
            journal.truncate(kept)
            file.truncate(length)

    def read(self) -> Iterator[Tokens]:
        """Yield the tokens or codes of each document that was taken over."""
        with (self._folder / TOKENS).open("rb") as file:
            for length, width in zip(self._lengths[:], self._widths[:], strict=True):
                yield np.frombuffer(file.read(length * width), dtype=f"u{width}")

    def write(self, documents: Iterable[tuple[Document, Tokens]]) -> Generator[Tokens]:
        """Write further documents, one in each step of the generator.

        Args:
            documents: Documents of the corpus after those that were taken over, each with its tokens or codes
                `[length]`.

        Yields:
            The tokens or codes of each document that is not empty.

        Raises:
            DataError: If the corpus is empty.
        """
        written = self.size
        with (self._folder / TOKENS).open("ab") as file:
            for document, encoded in documents:
                tokens = np.ascontiguousarray(encoded)
                file.write(tokens.data)
                self._write(document, tokens)
                if tokens.size:
                    yield tokens
                if self.size - written >= CHECKPOINT_SIZE:
                    written = self.size
                    file.flush()
                    with (self._folder / JOURNAL).open("ab") as journal:
                        journal.writelines(self._lines)
                    self._lines = []
        if not self._names:
            raise DataError("the corpus is empty", hint="None of its documents contains a symbol.")

    def _write(self, document: Document, tokens: Tokens) -> None:
        characters, size = count_characters(document.content), len(document.content)
        entry = {"name": document.name, "tokens": tokens.size, "width": tokens.itemsize, "characters": characters}
        self._update(tokens.data, entry)
        entry |= {"size": size, "digest": self._digest.hexdigest()}
        self._append(entry)
        self._lines.append(to_sealed_json(entry) + b"\n")

    def _update(self, content: memoryview, entry: dict[str, Any]) -> None:
        if entry["tokens"]:
            self._digest.update(content)
            end = f"\0{entry['name']}\0{entry['tokens']} {entry['width']}\0"
            self._digest.update(end.encode("utf-8", "surrogateescape"))

    def _append(self, entry: dict[str, Any]) -> None:
        self.documents += 1
        self.size += entry["size"]
        if entry["tokens"]:
            self._names.append(entry["name"])
            self._lengths.append(entry["tokens"])
            self._widths.append(entry["width"])
            self._characters.append(entry["characters"])
            self._sizes.append(entry["size"])

    def finish(self, vocabulary: Vocabulary, codes: NDArray[np.uint32] | None) -> TokenFile:
        """Write the index, with the code of each token id if codes were written, and return the token file.

        The size of the vocabulary, which has learned, determines the integer type of token ids.
        """
        metadata = [checked_state(vocabulary.state), None if codes is None else codes.tolist()]
        self._digest.update(json.dumps(metadata, sort_keys=True).encode())
        lengths = np.array(self._lengths, dtype=np.int64)
        token_file = TokenFile(
            folder=self._folder,
            dtype=token_type(vocabulary),
            names=self._names,
            stops=lengths.cumsum(),
            ends=(lengths * np.array(self._widths, dtype=np.int64)).cumsum(),
            characters=np.array(self._characters, dtype=np.int64),
            sizes=np.array(self._sizes, dtype=np.int64),
            codes=codes,
            digest=self._digest.hexdigest(),
        )
        token_file.write(self._folder / INDEX)
        return token_file
