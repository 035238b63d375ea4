"""The cache of encoded corpora. The name of an entry is a hash of the content and the options of a corpus."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from seqforge.data.encoding import encode_corpus, read_vocabulary
from seqforge.data.example_encoding import encode_examples
from seqforge.data.example_file import ExampleFile, ExampleIndex
from seqforge.data.token_file import VOCABULARY, TokenFile, TokenIndex
from seqforge.events import Report
from seqforge.kinds import Corpus, ExampleSpec, LabelledCorpus, Vocabulary
from seqforge.kinds.corpus import read_fingerprint
from seqforge.storage.cache import load_or_write
from seqforge.storage.files import reported_failures
from seqforge.storage.paths import CACHE_VARIABLE, cache_folder

EncodedT = TypeVar("EncodedT", TokenFile, ExampleFile)

LONGEST_ORIGIN = 500
"""Maximum length of the description of a corpus in a manifest, in characters."""


def load_token_file(corpus: Corpus, vocabulary: Vocabulary, key: Mapping[str, Any], report: Report) -> TokenFile:
    """Return the token file of a corpus from the cache, and encode the corpus first if it is not there or damaged.

    If two processes need the same corpus, the second waits for the first. A process that is killed while encoding
    leaves no incomplete file in the cache.

    Raises:
        DataError: If the corpus is missing, empty or cannot be encoded.
        RunError: If the cache cannot be written, for example because the disk is full.
    """
    name = f"tokens/{_name(TokenIndex.VERSION, corpus, key)}"
    encode = partial(encode_corpus, corpus, vocabulary, report=report)
    return _load(name, corpus, vocabulary, encode, TokenFile.open, report)


def load_example_file(
    corpus: LabelledCorpus, spec: ExampleSpec, vocabulary: Vocabulary, key: Mapping[str, Any], report: Report
) -> ExampleFile:
    """Return the example file of a labelled corpus from the cache, as `load_token_file` does.

    Raises:
        DataError: If the corpus is missing, empty or cannot be encoded.
        RunError: If the cache cannot be written, for example because the disk is full.
    """
    name = f"examples/{_name(ExampleIndex.VERSION, corpus, key)}"
    encode = partial(encode_examples, corpus, spec, vocabulary, report=report)
    return _load(name, corpus, vocabulary, encode, ExampleFile.open, report)


def _name(version: int, corpus: Corpus | LabelledCorpus, key: Mapping[str, Any]) -> str:
    content = json.dumps([version, read_fingerprint(corpus), key], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _load(
    name: str,
    corpus: Corpus | LabelledCorpus,
    vocabulary: Vocabulary,
    encode: Callable[[Path], EncodedT],
    open_file: Callable[[Path], EncodedT],
    report: Report,
) -> EncodedT:
    def open_entry(folder: Path) -> EncodedT:
        encoded = open_file(folder)
        read_vocabulary(vocabulary, folder / VOCABULARY)
        return encoded

    def write(folder: Path) -> str:
        encode(folder)
        description = " ".join(corpus.describe().split())[:LONGEST_ORIGIN]
        return f"{description} ({type(vocabulary).__name__})"

    entry = cache_folder() / name
    action = f"encoding the corpus into {entry.parent}"
    with reported_failures(action, f"Set {CACHE_VARIABLE} to use another cache folder."):
        return load_or_write(entry, open_entry, write, report)
