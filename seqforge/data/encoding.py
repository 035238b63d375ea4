"""Encoding of a corpus to tokens. Each document is read once, and one document is in memory at a time."""

import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.component_state import checked_state
from seqforge.data.parallel_encoding import Lookup, encode_document, encode_documents
from seqforge.data.token_file import VOCABULARY, TokenFile, Tokens
from seqforge.data.token_writer import TokenWriter
from seqforge.events import ENCODED, ENCODING, Report
from seqforge.faults import wrong_result
from seqforge.figures import describe_amount
from seqforge.kinds import CodedVocabulary, Corpus, Document, Vocabulary, WorkProgressed
from seqforge.kinds.corpus import read_items
from seqforge.kinds.vocabulary import distinct_codes
from seqforge.storage.cache import JOURNAL
from seqforge.storage.records import DamagedFileError, Record

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
        with closing(encode_documents(documents, vocabulary, find)) as encoded:
            for _ in writer.write(encoded):
                pass
    token_file = writer.finish(vocabulary, codes)
    write_vocabulary(vocabulary, folder)
    report(WorkProgressed(ENCODED, 1.0, describe_amount(writer.documents, "document", writer.size)))
    return token_file


class VocabularyRecord(Record):
    """The content of `vocabulary.json`. It has its own version because every run keeps a copy of it."""

    VERSION = 2

    state: dict[str, Any]


def write_vocabulary(vocabulary: Vocabulary, folder: Path) -> None:
    """Write the state of a vocabulary to `vocabulary.json`."""
    VocabularyRecord(state=checked_state(vocabulary.state)).write(folder / VOCABULARY)


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
        return document, encode_document(document, vocabulary.codes)

    with closing(writer.write(map(encode, documents))) as written:
        codes = distinct_codes(itertools.chain(writer.read(), written))
    vocabulary.adopt(codes)
    if not np.array_equal(vocabulary.encode(checked), np.searchsorted(codes, vocabulary.codes(checked))):
        problem = "disagrees with `codes`: the token id of a symbol must be the rank of its code"
        raise wrong_result(vocabulary.encode_bytes, problem)
    return codes
