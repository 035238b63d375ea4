"""Everything that training and evaluation know of the data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqforge.data.cache import encoded_corpus
from seqforge.data.encoding import Report
from seqforge.data.splits import Spans, SplitName, split
from seqforge.data.token_file import TokenFile
from seqforge.experiment import Experiment
from seqforge.interfaces import Corpus, Vocabulary

LONGEST_PIECE = 1 << 20
"""Tokens of a document that are turned into text at once."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An encoded corpus with its vocabulary and splits.

    Attributes:
        description: The corpus in its own words.
        token_file: The tokens.
        vocabulary: What they stand for.
        splits: Which of them are for what.
    """

    description: str
    token_file: TokenFile
    vocabulary: Vocabulary
    splits: dict[SplitName, Spans]

    def characters_per_token(self, name: SplitName) -> float:
        """Count how many characters a token of a split stands for on average; 1 for a vocabulary of characters.

        Args:
            name: The split. A document that it cuts counts in proportion.
        """
        file, spans = self.token_file, self.splits[name]
        documents = np.searchsorted(file.stops, spans.starts, side="right")
        tokens = np.diff(file.stops, prepend=0)[documents]
        characters = (spans.stops - spans.starts) * (file.characters[documents] / tokens)
        return float(characters.sum()) / spans.length if spans.length else 1.0

    def documents(self, name: SplitName) -> Iterator[str]:
        """Read the text of a split again.

        Args:
            name: The split.

        Yields:
            The documents in order, as far as the split has them; one of more than `LONGEST_PIECE` tokens in pieces.
        """
        spans = self.splits[name]
        for start, stop in zip(spans.starts.tolist(), spans.stops.tolist(), strict=True):
            for begin in range(start, stop, LONGEST_PIECE):
                tokens = self.token_file.map().read(begin, min(stop, begin + LONGEST_PIECE)).tolist()
                yield self.vocabulary.decode(tokens).decode("utf-8", "replace")


def prepare(experiment: Experiment, report: Report) -> Dataset:
    """Build the corpus and the vocabulary of an experiment, encode the one with the other, and split it.

    Args:
        experiment: Names both.
        report: Is told now and then how far the encoding has come.

    Raises:
        DataError: Where the corpus is missing, empty or cannot be encoded.
    """
    corpus: Corpus = experiment.corpus.build()
    vocabulary: Vocabulary = experiment.vocabulary.build()
    token_file = encoded_corpus(corpus, vocabulary, choice_of(experiment), report)
    data = experiment.data
    splits = split(token_file, data.split, data.validation_fraction, data.test_fraction)
    return Dataset(corpus.describe(), token_file, vocabulary, splits)


def choice_of(experiment: Experiment) -> dict[str, Any]:
    """Say which corpus and vocabulary an experiment chose, options included, as plain values.

    Args:
        experiment: Names both.
    """
    # With their plugins' versions: a new one may read the same source in another way.
    return {
        part.registration.kind: [
            dict(part.table),
            {plugin: experiment.plugins.get(plugin, "") for plugin in part.plugins},
        ]
        for part in (experiment.corpus, experiment.vocabulary)
    }
