"""Encoded corpora kept for the next run, under a name that their content and options decide."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from seqforge.data.encoding import Report, encode_corpus, read_vocabulary
from seqforge.data.token_file import FORMAT_VERSION, VOCABULARY, TokenFile
from seqforge.errors import DataError
from seqforge.files import reported_failures, sync_folder
from seqforge.interfaces import Corpus, Vocabulary

CACHE_VARIABLE = "SEQFORGE_CACHE"


def cache_folder() -> Path:
    """Where encoded corpora are kept: `SEQFORGE_CACHE`, or the user's cache directory."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("seqforge", appauthor=False)


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
    folder = cache_folder() / "tokens" / _fingerprint(corpus, choice)
    with reported_failures(
        f"encoding the corpus into {folder.parent}", f"Another folder can be named in {CACHE_VARIABLE}."
    ):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{folder}.lock"):
            if not _usable(folder, vocabulary):
                _encode_into(folder, corpus, vocabulary, report)
    return TokenFile.open(folder)


def _fingerprint(corpus: Corpus, choice: Mapping[str, Any]) -> str:
    described = json.dumps([FORMAT_VERSION, corpus.fingerprint(), choice], sort_keys=True)
    return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def _usable(folder: Path, vocabulary: Vocabulary) -> bool:
    try:
        TokenFile.open(folder)
        read_vocabulary(vocabulary, folder / VOCABULARY)
    except DataError:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def _encode_into(folder: Path, corpus: Corpus, vocabulary: Vocabulary, report: Report) -> None:
    # Left behind only by a process that was killed, whose lock is therefore free again.
    for abandoned in folder.parent.glob(f"{folder.name}.*.tmp"):
        shutil.rmtree(abandoned, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        encode_corpus(corpus, vocabulary, temporary, report)
        for file in temporary.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(folder.parent)
