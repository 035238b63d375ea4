"""Encoding of a corpus to tokens. Each document is read once, and one document is in memory at a time.

The tokens and their index are written with a journal, from which a killed encoding continues.
"""

import hashlib
import itertools
import json
import time
from array import array
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqforge.component_state import checked_state
from seqforge.data.parallel_encoding import Lookup, encode_documents
from seqforge.data.token_file import INDEX, TOKENS, VOCABULARY, TokenFile, Tokens, count_characters, token_type
from seqforge.errors import DataError, located
from seqforge.events import ENCODED, ENCODING, Report
from seqforge.faults import wrong_result
from seqforge.figures import describe_amount
from seqforge.kinds import CodedVocabulary, Corpus, Document, UnknownSymbolError, Vocabulary, WorkProgressed
from seqforge.kinds.corpus import read_items
from seqforge.kinds.vocabulary import distinct_codes, rank_fault
from seqforge.storage.cache import JOURNAL
from seqforge.storage.records import DamagedFileError, Record, parse_sealed_json, to_sealed_json

CHECKPOINT_SIZE = 1 << 25
"""Bytes of text after which the journal records the documents that were written since its last entry."""


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


_CHECKED_BYTES = 1 << 20
"""Size of the largest document on which the codes and the token ids of a vocabulary are compared."""

_COMPARED_TOKENS = 1 << 16
"""Number of tokens that are compared with a document at once, as Python's integers."""

REPORT_SECONDS = 0.2
"""Minimum time in seconds between two progress reports."""


def encode_corpus(
    corpus: Corpus, vocabulary: Vocabulary, folder: Path, report: Report, earlier: TokenFile | None = None
) -> TokenFile:
    """Encode every document of a corpus to a token file, in a folder that is empty or left by a killed process.

    For a `CodedVocabulary` the codes are written while the set of codes is collected. Any other vocabulary that learns
    receives every document before the first one is encoded, and the corpus is read twice. The tokens of a document that
    is in an earlier file of the same vocabulary too are copied, which is several times as fast as byte pair encoding.

    Returns:
        The token file, which is not synced to disk yet.

    Raises:
        DataError: If the corpus is empty or cannot be encoded.
    """
    for path in folder.glob("*.tmp"):
        path.unlink()
    writer = TokenWriter(folder)
    codes = None
    if vocabulary.learns and not isinstance(vocabulary, CodedVocabulary):
        _learn(vocabulary, corpus, folder, report)
    writer.take_over()
    documents = _read(corpus, report, ENCODING, writer.documents, writer.size)
    if isinstance(vocabulary, CodedVocabulary):
        codes = _write_codes(writer, documents, vocabulary)
    else:
        find = _index_documents(earlier, vocabulary) if earlier else None
        try:
            with closing(encode_documents(documents, vocabulary, find)) as encoded:
                for _ in writer.write(encoded):
                    pass
        except DataError as error:
            if not vocabulary.learns or error.hint or not isinstance(error.__cause__, UnknownSymbolError):
                raise
            method, learner = f"{type(corpus).__name__}.documents", type(vocabulary).__name__
            hint = f"Either {method} yielded other text than before, or {learner}.learn left it out."
            raise DataError(error.message, hint=hint) from error
    token_file = writer.finish(vocabulary, codes)
    write_vocabulary(vocabulary, folder)
    report(WorkProgressed(ENCODED, 1.0, describe_amount(writer.documents, "document", writer.size)))
    return token_file


class VocabularyRecord(Record):
    """The content of `vocabulary.json`. It has its own version because every run keeps a copy of it."""

    VERSION = 2
    MAXIMUM_SIZE: ClassVar[int] = 1 << 28  # Two million words in Cyrillic take 100 MB.
    MAXIMUM_ENTRIES: ClassVar[int] = 1 << 23

    state: dict[str, Any]


def write_vocabulary(vocabulary: Vocabulary, folder: Path) -> None:
    """Write the state of a vocabulary to `vocabulary.json`.

    Raises:
        DataError: If it is so large that `read_vocabulary` would refuse the file.
        OSError: If the file cannot be written.
    """
    record = VocabularyRecord(state=checked_state(vocabulary.state))
    if not record.can_be_read():
        limits = f"{record.MAXIMUM_SIZE >> 20} MiB and {record.MAXIMUM_ENTRIES:,} entries"
        raise DataError(
            f"the vocabulary of {vocabulary.size:,} symbols is too large: its file may have {limits}",
            hint='Choose one with fewer symbols, such as `vocabulary = {use = "bpe", size = 4096}`.',
        )
    record.write(folder / VOCABULARY)


def read_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    """Restore a vocabulary from the `vocabulary.json` of a token file or a run.

    Raises:
        DamagedFileError: If the file is missing or damaged, or contains the state of another vocabulary.
        RunError: If the file cannot be read.
    """
    state = VocabularyRecord.read(path).state
    try:
        vocabulary.restore(state)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(path, f"not the state of this vocabulary: {error}") from error


def _learn(vocabulary: Vocabulary, corpus: Corpus, folder: Path, report: Report) -> None:
    """Make a vocabulary learn from every document, or restore what a killed process has learned."""
    try:
        read_vocabulary(vocabulary, folder / VOCABULARY)
    except DamagedFileError:
        (folder / JOURNAL).unlink(missing_ok=True)
        vocabulary.learn(document.content for document in _read(corpus, report, "learning the vocabulary"))
        write_vocabulary(vocabulary, folder)


def _read(corpus: Corpus, report: Report, work: str, skipped: int = 0, size: int = 0) -> Iterator[Document]:
    """Yield the documents after a number of skipped ones, which have a size in bytes, and report the progress."""
    fraction: float | None = None
    last = time.monotonic()

    def observe(event: WorkProgressed) -> None:
        nonlocal fraction
        if event.work == ENCODING:
            fraction = event.fraction
        else:
            report(event)

    for count, document in enumerate(read_items(corpus.read(observe), Document, corpus.documents), start=1):
        size += len(document.content) if count > skipped else 0
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            name = work if count > skipped else "continuing"
            report(WorkProgressed(name, fraction, describe_amount(count, "document", size)))
        if count > skipped:
            yield document


def _index_documents(file: TokenFile, vocabulary: Vocabulary) -> Lookup:
    """Return a function that returns the tokens of a document of a file, or None if its content is another one."""
    index = {pair: number for number, pair in enumerate(zip(file.names, file.sizes.tolist(), strict=True))}
    starts = np.append(0, file.stops)

    def find(document: Document) -> Tokens | None:
        number = index.get((document.name, len(document.content)))
        if number is None:
            return None
        tokens, position = file.map().read(int(starts[number]), int(file.stops[number])), 0
        for start in range(0, len(tokens), _COMPARED_TOKENS):
            part = vocabulary.decode(tokens[start : start + _COMPARED_TOKENS].tolist())
            if not document.content.startswith(part, position):
                return None
            position += len(part)
        return tokens if position == len(document.content) else None

    return find


def _write_codes(writer: TokenWriter, documents: Iterator[Document], vocabulary: CodedVocabulary) -> NDArray[np.uint32]:
    """Write the codes of documents, and return the distinct ones, which the vocabulary adopts.

    Raises:
        PluginError: If a token id is not the rank of its code, as in a subclass that overrides one of two methods.
    """
    checked = b""

    def encode(document: Document) -> tuple[Document, Tokens]:
        nonlocal checked
        checked = checked or (document.content if len(document.content) <= _CHECKED_BYTES else b"")
        with located(document.name):
            return document, vocabulary.codes(document.content)

    with closing(writer.write(map(encode, documents))) as written:
        codes = distinct_codes(itertools.chain(writer.read(), written))
    vocabulary.adopt(codes)
    if fault := rank_fault(vocabulary, codes, checked):
        raise wrong_result(vocabulary.encode_bytes, fault)
    return codes
