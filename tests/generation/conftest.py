"""An untrained model for the vocabulary of a test, and a sampler that changes nothing."""

from collections.abc import Callable

import pytest

from seqforge import Experiment
from seqforge.kinds import Sampler, Vocabulary
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel

MakeExperiment = Callable[..., Experiment]


@pytest.fixture
def model(experiment: MakeExperiment, vocabulary: Vocabulary) -> SequenceModel:
    return build_model(experiment(), vocabulary.size)


@pytest.fixture
def plain(experiment: MakeExperiment) -> list[Sampler]:
    return [experiment(sampler=[{"use": "temperature", "temperature": 1.0}]).samplers[0].build()]
