"""The data of a run: an encoded corpus from the cache, its vocabulary and its splits."""

import codecs
import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from seqforge.component_state import checked_state
from seqforge.data.encoding import encode_corpus, read_vocabulary
from seqforge.data.example_encoding import encode_examples
from seqforge.data.example_file import ExampleFile
from seqforge.data.splits import Spans, SplitName, divide, split
from seqforge.data.token_file import VOCABULARY, TokenFile, count_characters
from seqforge.errors import DataError, RunError
from seqforge.events import Report
from seqforge.experiment.experiment import Experiment
from seqforge.faults import wrong_result
from seqforge.kinds import Corpus, ExampleSpec, LabelledCorpus, Vocabulary
from seqforge.kinds.corpus import read_description, read_fingerprint
from seqforge.kinds.labelled_corpus import held_out_fault
from seqforge.storage.cache import load_or_write, read_entry
from seqforge.storage.files import reported_failures
from seqforge.storage.paths import CACHE_VARIABLE, cache_folder
from seqforge.storage.records import MANIFEST

LONGEST_PIECE = 1 << 20
"""Maximum number of tokens that are decoded at once."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An encoded text corpus with its vocabulary and splits.

    Attributes:
        splits: Pieces of the token file in each split.
        weights: Weight of each source of a mixture; empty for other corpora.
    """

    description: str
    token_file: TokenFile
    vocabulary: Vocabulary
    splits: dict[SplitName, Spans]
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    _sizes: dict[tuple[SplitName, str | None], NDArray[np.int64]] = field(
        default_factory=dict[tuple[SplitName, "str | None"], NDArray[np.int64]], init=False, repr=False, compare=False
    )
    _sources: dict[SplitName, dict[str, Spans]] = field(
        default_factory=dict[SplitName, dict[str, Spans]], init=False, repr=False, compare=False
    )

    def sources(self, name: SplitName) -> dict[str, Spans]:
        """Return the pieces of each source of a split; those of all texts without a name if there is one source."""
        if name not in self._sources:
            whole = self.splits[name]
            self._sources[name] = divide(whole, self.token_file, self.weights) if self.weights else {"": whole}
        return self._sources[name]

    def characters_per_token(self, name: SplitName, source: str | None = None) -> float:
        """Return the mean number of characters per token of a split, or of a source in it: 1 for characters."""
        spans = self.splits[name] if source is None else self.sources(name)[source]
        # A split may lie inside of one character.
        return max(1, int(self._measure(name, source)[0])) / spans.length if spans.length else 1.0

    def characters_per_byte(self, name: SplitName) -> float:
        """Return the mean number of characters per byte of a split: 1 for ASCII."""
        characters, size = self._measure(name, None).tolist()
        return max(1, characters) / size if size else 1.0

    def _measure(self, name: SplitName, source: str | None) -> NDArray[np.int64]:
        """Return the numbers of characters and bytes `[2]` of a split, or of a source in it."""
        # Every evaluation needs them, and a part of a document must be decoded to be measured.
        if (name, source) not in self._sizes:
            file, spans = self.token_file, self.splits[name] if source is None else self.sources(name)[source]
            spans = spans.cut_at(file.stops)
            documents = np.searchsorted(file.stops, spans.starts, side="right")
            whole = spans.stops - spans.starts == np.diff(file.stops, prepend=0)[documents]
            sizes = np.stack([file.characters, file.sizes])[:, documents[whole]].sum(axis=1)
            for index in np.flatnonzero(~whole).tolist():
                sizes += self._measure_part(int(documents[index]), int(spans.starts[index]), int(spans.stops[index]))
            self._sizes[name, source] = sizes
        return self._sizes[name, source]

    def _measure_part(self, document: int, start: int, stop: int) -> NDArray[np.int64]:
        """Return the numbers of characters and bytes `[2]` that begin between two tokens of a document."""
        first, end = int(self.token_file.stops[document - 1]) if document else 0, int(self.token_file.stops[document])
        sizes = np.array([self.token_file.characters[document], self.token_file.sizes[document]])
        if (sizes == end - first).all():  # ASCII in bytes or characters: nothing needs to be decoded
            return np.full(2, stop - start)
        if 2 * (stop - start) > end - first:  # the rest of the document is faster to measure
            return sizes - self._measure_text(first, start) - self._measure_text(stop, end)
        return self._measure_text(start, stop)

    def _measure_text(self, start: int, stop: int) -> NDArray[np.int64]:
        measured = [(count_characters(content), len(content)) for content in self._decode(start, stop)]
        return np.array(measured, dtype=np.int64).reshape(-1, 2).sum(axis=0)

    def documents(self, name: SplitName) -> Iterator[str]:
        """Yield the text of the documents of a split, decoded from the tokens.

        Yields:
            The part of each document that is in the split, in order; in pieces if it has more than `LONGEST_PIECE`
            tokens.
        """
        spans = self.splits[name]
        for start, stop in zip(spans.starts.tolist(), spans.stops.tolist(), strict=True):
            # A piece may end inside a character, which is then a part of the next piece.
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            for begin, content in zip(range(start, stop, LONGEST_PIECE), self._decode(start, stop), strict=True):
                yield decoder.decode(content, final=begin + LONGEST_PIECE >= stop)

    def _decode(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the content of the tokens between two positions of the file, in pieces of `LONGEST_PIECE` tokens."""
        for begin in range(start, stop, LONGEST_PIECE):
            tokens = self.token_file.map().read(begin, min(stop, begin + LONGEST_PIECE)).tolist()
            yield self.vocabulary.decode(tokens)


@dataclass(frozen=True, slots=True)
class LabelledDataset:
    """An encoded labelled corpus with its vocabulary and splits.

    Attributes:
        corpus: The corpus, whose training split may be a stream.
        splits: Indices of the examples of each split.
    """

    corpus: LabelledCorpus
    file: ExampleFile
    vocabulary: Vocabulary
    splits: dict[SplitName, NDArray[np.int64]]


def prepare(experiment: Experiment, report: Report) -> Dataset:
    """Build the corpus and the vocabulary of an experiment, encode the corpus, and split it.

    Raises:
        DataError: If the corpus is missing, empty or cannot be encoded.
    """
    corpus: Corpus = experiment.corpus.build()
    vocabulary: Vocabulary = experiment.vocabulary.build()
    with _placed_errors(experiment):
        token_file = load_token_file(corpus, vocabulary, _cache_key(experiment), report)
    data = experiment.data
    splits = split(token_file, data.split, data.validation_fraction, data.test_fraction)
    return Dataset(read_description(corpus), token_file, vocabulary, splits, corpus.weights())


def prepare_examples(experiment: Experiment, report: Report) -> LabelledDataset:
    """Build the labelled corpus and the vocabulary of an experiment, encode the corpus, and split it.

    Raises:
        DataError: If the corpus is missing, empty or cannot be encoded.
    """
    corpus: LabelledCorpus = experiment.corpus.build()
    vocabulary: Vocabulary = experiment.vocabulary.build()
    spec = cast("ExampleSpec", experiment.example_spec)
    with _placed_errors(experiment):
        encode = partial(encode_examples, corpus, spec)
        file = _load(ExampleFile, "examples", corpus, vocabulary, _cache_key(experiment), encode, report)
    if corpus.training_stream() is not None:
        for each in dict.fromkeys(file.splits):
            if fault := held_out_fault(each):
                raise wrong_result(corpus.examples, fault)
    splits = file.split(experiment.data.validation_fraction, experiment.data.test_fraction)
    return LabelledDataset(corpus, file, vocabulary, splits)


@contextmanager
def _placed_errors(experiment: Experiment) -> Generator[None]:
    """Begin the message of an error about a key, such as "corpus.files: …", with the file of the experiment.

    Raises:
        DataError: If the block raises one.
    """
    try:
        yield
    except DataError as error:
        if experiment.origin is None or not error.message.startswith("corpus."):
            raise
        message, command = f"{experiment.origin}: {error.message}", _find_command(experiment.origin, error.message)
        raise DataError(message, hint="\n".join(filter(None, [error.hint, command])) or None) from error


def _find_command(origin: Path | str, message: str) -> str:
    """Return the command, such as a download, that the comments of an experiment file give for a file in a message."""
    with suppress(OSError, UnicodeDecodeError):
        for line in Path(origin).read_text("utf-8").splitlines():
            if line.startswith("#   ") and any(word.rpartition("/")[2] in message.split("/") for word in line.split()):
                return f"{origin} says how to get it: {line.removeprefix('#').strip()}"
    return ""


def _cache_key(experiment: Experiment) -> dict[str, Any]:
    """Return the corpus and the vocabulary with their options and the versions of their code, as plain values."""
    # A new version of a plugin, or an edit while you develop one, may encode the same source differently.
    return {
        part.registration.kind: [dict(part.table), part.versions(experiment.plugins)]
        for part in (experiment.corpus, experiment.vocabulary)
    }


def _digest(values: Any) -> str:
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).hexdigest()


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

    def encode(vocabulary: Vocabulary, folder: Path, report: Report) -> TokenFile:
        # Without a state, as for bytes, encoding is faster than a comparison.
        is_given = not vocabulary.learns and vocabulary.state()
        return encode_corpus(corpus, vocabulary, folder, report, _find_earlier(folder) if is_given else None)

    return _load(TokenFile, "tokens", corpus, vocabulary, key, encode, report)


def _find_earlier(folder: Path) -> TokenFile | None:
    """Return the newest corpus that the vocabulary of an entry has encoded, if there is one."""
    found: list[tuple[float, Path]] = []
    for entry in folder.parent.glob(f"{folder.name.partition('-')[0]}-*"):
        if entry.suffix != ".tmp":  # Another process is writing such an entry.
            with suppress(OSError):  # Another process may remove it.
                found.append(((entry / MANIFEST).stat().st_mtime, entry))
    for _, entry in sorted(found, reverse=True):
        with suppress(RunError):
            return read_entry(entry, TokenFile.open)
    return None


def _load(
    kind: type[EncodedT],
    folder: str,
    corpus: Corpus | LabelledCorpus,
    vocabulary: Vocabulary,
    key: Mapping[str, Any],
    encode: Callable[[Vocabulary, Path, Report], EncodedT],
    report: Report,
) -> EncodedT:
    def open_entry(folder: Path) -> EncodedT:
        encoded = kind.open(folder)
        read_vocabulary(vocabulary, folder / VOCABULARY)
        return encoded

    def write(folder: Path) -> str:
        encode(vocabulary, folder, report)
        description = " ".join(read_description(corpus).split())[:LONGEST_ORIGIN]
        return f"{description} ({type(vocabulary).__name__})"

    # What the options of a vocabulary name, such as a file, may have changed.
    given = None if vocabulary.learns else checked_state(vocabulary.state)
    encoder = _digest([kind.VERSION, key.get("vocabulary"), given])
    entry = cache_folder() / folder / f"{encoder}-{_digest([read_fingerprint(corpus), key])}"
    action = f"encoding the corpus into {entry.parent}"
    with reported_failures(action, f"Set {CACHE_VARIABLE} to use another cache folder."):
        return load_or_write(entry, open_entry, write, report)
