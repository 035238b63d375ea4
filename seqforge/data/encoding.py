"""Encoding of a corpus to tokens. Each document is read once, and one document is in memory at a time."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from seqforge.component_state import checked_state
from seqforge.data.token_file import VOCABULARY, TokenFile, Tokens, TokenWriter, token_type
from seqforge.events import Report
from seqforge.faults import wrong_result
from seqforge.kinds import CodedVocabulary, Corpus, Document, DocumentsEncoded, Example, Vocabulary
from seqforge.kinds.corpus import read_items
from seqforge.kinds.vocabulary import distinct_codes
from seqforge.storage.records import DamagedFileError, Record

_CHECKED_BYTES = 1 << 20
"""Size of the largest document on which the codes and the token ids of a vocabulary are compared."""

REPORT_SECONDS = 0.2
"""Minimum time in seconds between two progress reports."""

ItemT = TypeVar("ItemT", Document, Example)


def encode_corpus(corpus: Corpus, vocabulary: Vocabulary, folder: Path, report: Report) -> TokenFile:
    """Encode every document of a corpus to a token file in an empty folder.

    For a `CodedVocabulary` the codes are written while the set of codes is collected. Any other vocabulary that learns
    receives every document before the first one is encoded.

    Returns:
        The token file, which is not synced to disk yet.

    Raises:
        DataError: If the corpus is empty or cannot be encoded.
    """
    documents = _report_progress(read_items(corpus.read(report), Document, corpus.documents), report)
    writer = TokenWriter(folder)
    codes = None
    if isinstance(vocabulary, CodedVocabulary):
        kept: list[bytes] = []
        with closing(writer.write(_keep_one(documents, kept), vocabulary.codes)) as written:
            codes = distinct_codes(written)
        vocabulary.adopt(codes)
        for content in kept:
            _check_codes(vocabulary, codes, content)
    elif vocabulary.learns:
        with _learn_and_repeat(documents, vocabulary, folder) as repeated:
            _write_tokens(repeated, vocabulary, writer)
    else:
        _write_tokens(documents, vocabulary, writer)
    token_file = writer.finish(vocabulary, codes)
    write_vocabulary(vocabulary, folder)
    report(DocumentsEncoded(writer.documents, writer.size, done=True))
    return token_file


class VocabularyRecord(Record):
    """The content of `vocabulary.json`. It has its own version because every run keeps a copy of it.

    Attributes:
        state: State of the vocabulary.
    """

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


def _report_progress(documents: Iterator[Document], report: Report) -> Iterator[Document]:
    size = 0
    last = time.monotonic()
    for count, document in enumerate(documents, start=1):
        size += len(document.content)
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            report(DocumentsEncoded(count, size, done=False))
        yield document


def _keep_one(documents: Iterator[Document], kept: list[bytes]) -> Iterator[Document]:
    """Yield documents, and append the content of the first small one that is not empty to a list."""
    for document in documents:
        if not kept and 0 < len(document.content) <= _CHECKED_BYTES:
            kept.append(document.content)
        yield document


def _check_codes(vocabulary: CodedVocabulary, codes: NDArray[np.uint32], content: bytes) -> None:
    """Check that token ids are the ranks of codes, which a subclass that overrides one of two methods may violate.

    Raises:
        PluginError: If they are not.
    """
    ranks = np.searchsorted(codes, vocabulary.codes(content))
    if not np.array_equal(vocabulary.encode(content), ranks):
        problem = "disagrees with `codes`: the token id of a symbol must be the rank of its code"
        raise wrong_result(vocabulary.encode_bytes, problem)


def _write_tokens(documents: Iterator[Document], vocabulary: Vocabulary, writer: TokenWriter) -> None:
    dtype = token_type(vocabulary)

    def encode(content: bytes) -> Tokens:
        return np.asarray(vocabulary.encode(content), dtype=dtype)

    with closing(writer.write(documents, encode)) as written:
        for _ in written:
            pass


@contextmanager
def _learn_and_repeat(
    documents: Iterator[Document], vocabulary: Vocabulary, folder: Path
) -> Generator[Iterator[Document]]:
    """Make a vocabulary learn from every document, and yield an iterator that repeats the documents.

    The documents are copied to a temporary file, because reading a corpus twice, such as an archive that must be
    decompressed, takes longer.
    """
    path = folder / "documents.tmp"
    index: list[tuple[str, int]] = []
    with path.open("w+b") as copy:

        def contents() -> Iterator[bytes]:
            for document in documents:
                copy.write(document.content)
                index.append((document.name, len(document.content)))
                yield document.content

        learned = contents()
        vocabulary.learn(learned)
        for _ in learned:
            pass  # The vocabulary may have stopped early, but every document must be encoded.
        copy.seek(0)
        yield (Document(name, copy.read(length)) for name, length in index)
    path.unlink()
