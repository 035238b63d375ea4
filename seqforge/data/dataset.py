"""The data of a run: an encoded corpus, its vocabulary and its splits."""

import codecs
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqforge.data.cache import load_example_file, load_token_file
from seqforge.data.example_file import ExampleFile
from seqforge.data.splits import Spans, SplitName, split
from seqforge.data.token_file import TokenFile
from seqforge.errors import DataError
from seqforge.events import Report
from seqforge.experiment import Experiment
from seqforge.interfaces import Corpus, ExampleSpec, LabelledCorpus, Vocabulary

LONGEST_PIECE = 1 << 20
"""Maximum number of tokens that are decoded at once."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An encoded text corpus with its vocabulary and splits.

    Attributes:
        description: Description of the corpus for the user.
        token_file: Encoded corpus.
        vocabulary: Vocabulary of the tokens.
        splits: Pieces of the token file in each split.
    """

    description: str
    token_file: TokenFile
    vocabulary: Vocabulary
    splits: dict[SplitName, Spans]

    def characters_per_token(self, name: SplitName) -> float:
        """Return the mean number of characters per token of a split: 1 for a vocabulary of characters.

        For a document that is partly in the split, the mean of the whole document is used.
        """
        file, spans = self.token_file, self.splits[name]
        documents = np.searchsorted(file.stops, spans.starts, side="right")
        tokens = np.diff(file.stops, prepend=0)[documents]
        characters = (spans.stops - spans.starts) * (file.characters[documents] / tokens)
        return float(characters.sum()) / spans.length if spans.length else 1.0

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
            for begin in range(start, stop, LONGEST_PIECE):
                end = min(stop, begin + LONGEST_PIECE)
                tokens = self.token_file.map().read(begin, end).tolist()
                yield decoder.decode(self.vocabulary.decode(tokens), final=end == stop)


@dataclass(frozen=True, slots=True)
class LabelledDataset:
    """An encoded labelled corpus with its vocabulary and splits.

    Attributes:
        description: Description of the corpus for the user.
        file: Encoded examples.
        vocabulary: Vocabulary of text in the inputs and targets.
        splits: Indices of the examples of each split.
    """

    description: str
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
    return Dataset(corpus.describe(), token_file, vocabulary, splits)


def prepare_examples(experiment: Experiment, report: Report) -> LabelledDataset:
    """Build the labelled corpus and the vocabulary of an experiment, encode the corpus, and split it.

    Raises:
        DataError: If the corpus is missing, empty or cannot be encoded.
    """
    corpus: LabelledCorpus = experiment.corpus.build()
    vocabulary: Vocabulary = experiment.vocabulary.build()
    spec = cast("ExampleSpec", experiment.example_spec)
    with _placed_errors(experiment):
        file = load_example_file(corpus, spec, vocabulary, _cache_key(experiment), report)
    data = experiment.data
    splits = file.split(data.validation_fraction, data.test_fraction)
    return LabelledDataset(corpus.describe(), file, vocabulary, splits)


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
        message = f"{experiment.origin}: {error.message}"
        raise DataError(message, hint=error.hint, python_hint=error.python_hint) from error


def _cache_key(experiment: Experiment) -> dict[str, Any]:
    """Return the corpus and the vocabulary with their options and the versions of their code, as plain values."""
    # A new version of a plugin, or an edit while you develop one, may encode the same source differently.
    return {
        part.registration.kind: [dict(part.table), part.versions(experiment.plugins)]
        for part in (experiment.corpus, experiment.vocabulary)
    }
