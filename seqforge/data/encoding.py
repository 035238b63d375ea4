"""Documents into tokens, once, with one document in memory at a time."""

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from seqforge.data.mapped_tokens import Tokens
from seqforge.data.token_file import VOCABULARY, TokenFile
from seqforge.data.token_writer import TokenWriter, token_type
from seqforge.errors import DataError
from seqforge.files import read_json
from seqforge.interfaces import CodedVocabulary, Corpus, Document, DocumentsEncoded, Example, Vocabulary
from seqforge.interfaces.coded_vocabulary import distinct_codes

VOCABULARY_VERSION = 1
"""Of `vocabulary.json`, which lies in every run, and so outlives the cache's format."""

REPORT_SECONDS = 0.2
"""How often somebody who waits is told how far the encoding has come."""

ItemT = TypeVar("ItemT", Document, Example)
Report = Callable[[DocumentsEncoded], None]


def encode_corpus(corpus: Corpus, vocabulary: Vocabulary, folder: Path, report: Report) -> TokenFile:
    """Encode every document of a corpus into a token file.

    Of a vocabulary with codes the codes are written, while it is collected which there are. One that learns otherwise
    is shown every document before the first is encoded.

    Args:
        corpus: The documents.
        vocabulary: Learns from them where it learns, and encodes them.
        folder: An empty folder to write to.
        report: Is told now and then how much is done.

    Returns:
        The token file, written but not yet synced.

    Raises:
        DataError: Where the corpus is empty or cannot be encoded.
    """
    documents = _reported(read_from(corpus.documents()), report)
    writer = TokenWriter(folder)
    codes = None
    if isinstance(vocabulary, CodedVocabulary):
        with closing(writer.written(documents, vocabulary.codes)) as written:
            codes = distinct_codes(written)
        vocabulary.adopt(codes)
    elif vocabulary.learns:
        with _spool_documents(documents, vocabulary, folder) as again:
            _write_tokens(again, vocabulary, writer)
    else:
        _write_tokens(documents, vocabulary, writer)
    token_file = writer.finish(vocabulary, codes)
    write_vocabulary(vocabulary, folder)
    report(DocumentsEncoded(writer.documents, writer.size, done=True))
    return token_file


def write_vocabulary(vocabulary: Vocabulary, folder: Path) -> None:
    """Write what a vocabulary learnt, as `vocabulary.json`.

    Args:
        vocabulary: Has learnt.
        folder: Where to.
    """
    (folder / VOCABULARY).write_text(
        json.dumps({"version": VOCABULARY_VERSION, "state": vocabulary.state()}), encoding="utf-8"
    )


def read_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    """Restore a vocabulary from the `vocabulary.json` beside a token file or in a run.

    Args:
        vocabulary: Takes up the state.
        path: The file.

    Raises:
        DataError: Where the file is damaged, or holds another vocabulary's state.
    """
    try:
        content: dict[str, Any] = read_json(path)
        if content["version"] != VOCABULARY_VERSION:
            raise ValueError(f"version {content['version']}, this program knows {VOCABULARY_VERSION}")
        state: Any = content["state"]
        if not isinstance(state, dict):
            raise ValueError("the state is no table")
        vocabulary.restore(cast("dict[str, Any]", state))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not this vocabulary's state: {error}") from error


def read_from(items: Iterator[ItemT]) -> Iterator[ItemT]:
    """Give what a corpus yields; that a file of it cannot be read is told as that, and not as the cache's.

    Args:
        items: Documents, or examples.

    Raises:
        DataError: Where the corpus meets an OSError.
    """
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except OSError as error:
            raise DataError(f"the corpus cannot be read: {error}") from error
        yield item


def _reported(documents: Iterator[Document], report: Report) -> Iterator[Document]:
    size = 0
    last = time.monotonic()
    for count, document in enumerate(documents, start=1):
        size += len(document.content)
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            report(DocumentsEncoded(count, size, done=False))
        yield document


def _write_tokens(documents: Iterator[Document], vocabulary: Vocabulary, writer: TokenWriter) -> None:
    dtype = token_type(vocabulary)

    def encode(content: bytes) -> Tokens:
        return np.asarray(vocabulary.encode(content), dtype=dtype)

    with closing(writer.written(documents, encode)) as written:
        for _ in written:
            pass


@contextmanager
def _spool_documents(
    documents: Iterator[Document], vocabulary: Vocabulary, folder: Path
) -> Generator[Iterator[Document]]:
    """Show a vocabulary every document, and give them all once more.

    Reading a corpus twice (decompressing an archive, say) would cost more than writing and reading a file.

    Args:
        documents: The corpus.
        vocabulary: Learns.
        folder: Where the file lies meanwhile.

    Yields:
        The documents again.
    """
    path = folder / "spool.tmp"
    index: list[tuple[str, int]] = []
    with path.open("w+b") as spool:

        def contents() -> Iterator[bytes]:
            for document in documents:
                spool.write(document.content)
                index.append((document.name, len(document.content)))
                yield document.content

        shown = contents()
        vocabulary.learn(shown)
        for _ in shown:
            pass  # A vocabulary that has seen enough may stop; the rest is to be encoded all the same.
        spool.seek(0)
        yield (Document(name, spool.read(length)) for name, length in index)
    path.unlink()
