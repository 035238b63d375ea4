"""Encoded corpora kept for the next run, under a name that their content and options decide."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import filelock

from seqforge.data.encoding import Report, encode_corpus, read_vocabulary
from seqforge.data.example_encoding import encode_examples
from seqforge.data.example_file import EXAMPLES_VERSION, ExampleFile
from seqforge.data.token_file import FORMAT_VERSION, VOCABULARY, TokenFile
from seqforge.errors import DataError, PluginError
from seqforge.files import CACHE_VARIABLE, cache_folder, reported_failures, sync_folder
from seqforge.interfaces import Corpus, ExampleSpec, LabelledCorpus, Vocabulary

Encoded = TypeVar("Encoded", TokenFile, ExampleFile)


def encoded_corpus(corpus: Corpus, vocabulary: Vocabulary, choice: Mapping[str, Any], report: Report) -> TokenFile:
    """Open a corpus's token file, and encode the corpus first where that was never done.

    Two runs that start at once encode once: the second waits for the first. A run that dies while encoding leaves
    nothing that a later one would take for whole.

    Args:
        corpus: The documents.
        vocabulary: Takes up what was learnt, where it learns.
        choice: The corpus and vocabulary as the experiment chose them, options included.
        report: Is told now and then how far the encoding has come.

    Raises:
        DataError: Where the corpus is missing, empty or cannot be encoded.
        RunError: Where the cache cannot be written, as on a full disk.
    """
    folder = cache_folder() / "tokens" / _fingerprint(FORMAT_VERSION, corpus.fingerprint(), choice)

    def encode(into: Path) -> None:
        encode_corpus(corpus, vocabulary, into, report)

    return _cached(folder, TokenFile.open, encode, vocabulary)


def encoded_examples(
    corpus: LabelledCorpus, spec: ExampleSpec, vocabulary: Vocabulary, choice: Mapping[str, Any], report: Report
) -> ExampleFile:
    """Open a labelled corpus's encoded examples, and encode them first where that was never done, likewise.

    Args:
        corpus: The examples.
        spec: Their shape.
        vocabulary: Takes up what was learnt, where it learns.
        choice: The corpus and vocabulary as the experiment chose them, options included.
        report: Is told now and then how far the encoding has come.

    Raises:
        DataError: Where the corpus is missing, empty or cannot be encoded.
        RunError: Where the cache cannot be written, as on a full disk.
    """
    folder = cache_folder() / "examples" / _fingerprint(EXAMPLES_VERSION, corpus.fingerprint(), choice)

    def encode(into: Path) -> None:
        encode_examples(corpus, spec, vocabulary, into, report)

    return _cached(folder, ExampleFile.open, encode, vocabulary)


def _fingerprint(version: int, source: Any, choice: Mapping[str, Any]) -> str:
    if not isinstance(source, str):
        raise PluginError(f"the fingerprint of the corpus is a {type(source).__name__}, not a str")
    described = json.dumps([version, source, choice], sort_keys=True)
    return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def _cached(
    folder: Path, open_it: Callable[[Path], Encoded], encode: Callable[[Path], None], vocabulary: Vocabulary
) -> Encoded:
    with reported_failures(
        f"encoding the corpus into {folder.parent}", f"Another folder can be named in {CACHE_VARIABLE}."
    ):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{folder}.lock"):
            opened = _opened(folder, open_it, vocabulary)
            if opened is None:
                _encode_into(folder, encode)
                opened = open_it(folder)
    return opened


def _opened(folder: Path, open_it: Callable[[Path], Encoded], vocabulary: Vocabulary) -> Encoded | None:
    try:
        opened = open_it(folder)
        read_vocabulary(vocabulary, folder / VOCABULARY)
    except DataError:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return opened


def _encode_into(folder: Path, encode: Callable[[Path], None]) -> None:
    # Left behind only by a process that was killed, whose lock is therefore free again.
    for abandoned in folder.parent.glob(f"{folder.name}.*.tmp"):
        shutil.rmtree(abandoned, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        encode(temporary)
        for file in temporary.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(folder.parent)
