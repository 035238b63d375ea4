"""Documents into tokens, once, with one document in memory at a time."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from seqforge.data.background import in_background
from seqforge.data.token_file import TOKENS, VOCABULARY, TokenFile
from seqforge.errors import DataError
from seqforge.interfaces import Corpus, Document, DocumentsEncoded, Vocabulary

VOCABULARY_VERSION = 1
"""Of `vocabulary.json`, which lies in every run, and so outlives the cache's format."""

REPORT_SECONDS = 0.2
"""How often somebody who waits is told how far the encoding has come."""

Report = Callable[[DocumentsEncoded], None]


def encode_corpus(corpus: Corpus, vocabulary: Vocabulary, folder: Path, report: Report) -> TokenFile:
    """Encode every document of a corpus into a token file.

    A vocabulary that learns is shown every document first; they are kept in a spool file meanwhile, because reading
    a corpus twice (decompressing an archive, say) costs more than reading the spool.

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
    documents = _reported(corpus.documents(), report)
    if vocabulary.learns:
        spool_path = folder / "spool.tmp"
        with spool_path.open("w+b") as spool:
            index = _Index([], [], [])
            contents = _spooled(documents, spool, index)
            vocabulary.learn(contents)
            for _ in contents:
                pass  # A vocabulary that has seen enough may stop; the rest is to be encoded all the same.
            spool.seek(0)
            token_file = _write_tokens(_unspooled(spool, index), vocabulary, folder, report)
        spool_path.unlink()
    else:
        token_file = _write_tokens(documents, vocabulary, folder, report)
    write_vocabulary(vocabulary, folder)
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
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VOCABULARY_VERSION:
            raise ValueError(f"version {content['version']}, this program knows {VOCABULARY_VERSION}")
        state: Any = content["state"]
        if not isinstance(state, dict):
            raise ValueError("the state is no table")
        vocabulary.restore(cast("dict[str, Any]", state))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not this vocabulary's state: {error}") from error


@dataclass(frozen=True, slots=True)
class _Index:
    names: list[str]
    lengths: list[int]
    characters: list[int]


def _reported(documents: Iterator[Document], report: Report) -> Iterator[Document]:
    size = 0
    last = time.monotonic()
    for count, document in enumerate(documents, start=1):
        size += len(document.content)
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            report(DocumentsEncoded(count, size, done=False))
        yield document


def _spooled(documents: Iterator[Document], spool: BinaryIO, index: _Index) -> Iterator[bytes]:
    for document in documents:
        spool.write(document.content)
        index.names.append(document.name)
        index.lengths.append(len(document.content))
        yield document.content


def _unspooled(spool: BinaryIO, index: _Index) -> Iterator[Document]:
    for name, length in zip(index.names, index.lengths, strict=True):
        yield Document(name, spool.read(length))


def _write_tokens(documents: Iterator[Document], vocabulary: Vocabulary, folder: Path, report: Report) -> TokenFile:
    dtype = np.min_scalar_type(vocabulary.size - 1) if vocabulary.size else np.dtype(np.uint8)
    index = _Index([], [], [])
    # With the vocabulary: tokens mean nothing without it.
    digest = hashlib.blake2b(json.dumps(vocabulary.state(), sort_keys=True).encode(), digest_size=16)
    count = size = 0
    with (
        (folder / TOKENS).open("wb") as file,
        in_background(file.write) as write,
        in_background(digest.update) as update,
    ):
        for document in documents:
            count += 1
            size += len(document.content)
            try:
                tokens = np.ascontiguousarray(vocabulary.encode(document.content), dtype=dtype)
            except DataError as error:
                raise DataError(f"{document.name}: {error.message}", hint=error.hint) from error
            if tokens.size == 0:
                continue
            write(tokens.data)
            update(tokens.data)
            update(f"\0{document.name}\0{tokens.size}\0".encode("utf-8", "surrogateescape"))
            index.names.append(document.name)
            index.lengths.append(tokens.size)
            index.characters.append(_count_characters(document.content))
    if not index.names:
        raise DataError("the corpus is empty", hint="It yielded no document with a symbol in it.")
    stops = np.cumsum(np.asarray(index.lengths, dtype=np.int64))
    characters = np.asarray(index.characters, dtype=np.int64)
    token_file = TokenFile(folder, dtype, index.names, stops, characters, digest.hexdigest())
    token_file.write_index()
    report(DocumentsEncoded(count, size, done=True))
    return token_file


def _count_characters(content: bytes) -> int:
    # In UTF-8 a character is one byte that is not a continuation byte (0b10xxxxxx).
    if content.isascii():
        return len(content)
    codes = np.frombuffer(content, dtype=np.uint8)
    return int(np.count_nonzero((codes & 0xC0) != 0x80))
