"""The cache of encoded corpora. The name of a folder is a hash of the content and the options of a corpus."""

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

EncodedT = TypeVar("EncodedT", TokenFile, ExampleFile)


def load_token_file(corpus: Corpus, vocabulary: Vocabulary, key: Mapping[str, Any], report: Report) -> TokenFile:
    """Return the token file of a corpus from the cache, and encode the corpus first if it is not there.

    If two processes need the same corpus, the second waits for the first. A process that is killed while encoding
    leaves no incomplete file in the cache.

    Raises:
        DataError: If the corpus is missing, empty or cannot be encoded.
        RunError: If the cache cannot be written, for example because the disk is full.
    """
    folder = cache_folder() / "tokens" / _folder_name(FORMAT_VERSION, corpus.fingerprint(), key)
    return _load(folder, TokenFile.open, lambda into: encode_corpus(corpus, vocabulary, into, report), vocabulary)


def load_example_file(
    corpus: LabelledCorpus, spec: ExampleSpec, vocabulary: Vocabulary, key: Mapping[str, Any], report: Report
) -> ExampleFile:
    """Return the example file of a labelled corpus from the cache, and encode the corpus first if it is not there.

    Raises:
        DataError: If the corpus is missing, empty or cannot be encoded.
        RunError: If the cache cannot be written, for example because the disk is full.
    """
    folder = cache_folder() / "examples" / _folder_name(EXAMPLES_VERSION, corpus.fingerprint(), key)
    return _load(
        folder, ExampleFile.open, lambda into: encode_examples(corpus, spec, vocabulary, into, report), vocabulary
    )


def _folder_name(version: int, fingerprint: Any, key: Mapping[str, Any]) -> str:
    if not isinstance(fingerprint, str):
        raise PluginError(f"the fingerprint of the corpus is a {type(fingerprint).__name__}, not a str")
    content = json.dumps([version, fingerprint, key], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _load(
    folder: Path, open_file: Callable[[Path], EncodedT], encode: Callable[[Path], object], vocabulary: Vocabulary
) -> EncodedT:
    with reported_failures(
        f"encoding the corpus into {folder.parent}", f"Set {CACHE_VARIABLE} to use another cache folder."
    ):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{folder}.lock"):
            encoded = _open_or_remove(folder, open_file, vocabulary)
            if encoded is None:
                _encode_atomically(folder, encode)
                encoded = open_file(folder)
    return encoded


def _open_or_remove(folder: Path, open_file: Callable[[Path], EncodedT], vocabulary: Vocabulary) -> EncodedT | None:
    try:
        encoded = open_file(folder)
        read_vocabulary(vocabulary, folder / VOCABULARY)
    except DataError:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return encoded


def _encode_atomically(folder: Path, encode: Callable[[Path], object]) -> None:
    # This process holds the lock, so only a process that was killed can have left such a folder.
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
