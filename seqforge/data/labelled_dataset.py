"""Everything that training and evaluation know of labelled examples."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from seqforge.data.cache import encoded_examples
from seqforge.data.dataset import choice_of
from seqforge.data.encoding import Report
from seqforge.data.example_file import ExampleFile
from seqforge.data.splits import SplitName
from seqforge.experiment import Experiment
from seqforge.interfaces import ExampleSpec, LabelledCorpus, Vocabulary


@dataclass(frozen=True, slots=True)
class LabelledDataset:
    """Encoded examples with their vocabulary and splits.

    Attributes:
        description: The corpus in its own words.
        file: The examples.
        vocabulary: What tokens of text stand for.
        splits: Which examples are for what.
    """

    description: str
    file: ExampleFile
    vocabulary: Vocabulary
    splits: dict[SplitName, NDArray[np.int64]]


def prepare_examples(experiment: Experiment, report: Report) -> LabelledDataset:
    """Build the labelled corpus and the vocabulary of an experiment, encode the one with the other, and split it.

    Args:
        experiment: Names both.
        report: Is told now and then how far the encoding has come.

    Raises:
        DataError: Where the corpus is missing, empty or cannot be encoded.
    """
    corpus: LabelledCorpus = experiment.corpus.build()
    vocabulary: Vocabulary = experiment.vocabulary.build()
    spec = cast("ExampleSpec", experiment.example_spec)
    file = encoded_examples(corpus, spec, vocabulary, choice_of(experiment), report)
    data = experiment.data
    return LabelledDataset(
        corpus.describe(), file, vocabulary, file.split(data.validation_fraction, data.test_fraction)
    )
