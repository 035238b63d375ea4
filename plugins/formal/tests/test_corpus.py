"""The splits of a task, and the errors in its options."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from seqforge_formal.corpus import FormalTask

from seqforge import Experiment, Registry
from seqforge.errors import ExperimentError


def test_examples_are_in_their_ranges_of_lengths() -> None:
    corpus = FormalTask("parity", (10, 20, 50), count=30)
    lengths: dict[tuple[str | None, str], list[int]] = {}
    for example in corpus.examples():
        lengths.setdefault((example.split, example.name.split("-")[1]), []).append(len(str(example.input)))
    assert {name: len(found) for name, found in lengths.items()} == {
        (split, limit): 30 for split in ("validation", "test") for limit in ("10", "20", "50")
    }
    for (_, limit), found in lengths.items():
        assert min(found) >= {"10": 3, "20": 11, "50": 21}[limit]
        assert max(found) <= int(limit)
    draw, generator = corpus.training_stream(), np.random.default_rng(0)
    assert {len(str(draw(generator)[0])) for _ in range(300)} == set(range(3, 11))


def test_validation_and_test_have_other_examples() -> None:
    examples = [*FormalTask("parity", (1000, 2000), count=5).examples()]
    assert len({example.input for example in examples}) == len(examples) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"task": "word-problem-s6"},
            "corpus.task: there is no task 'word-problem-s6'. Did you mean 'word-problem-s5'?",
        ),
        # A test length that is shorter than the training examples.
        ({"task": "parity", "lengths": [80, 64, 128]}, "corpus.lengths: should ascend, not [80, 64, 128]"),
        ({"task": "parity", "lengths": [2, 64]}, "corpus.lengths.0: should be greater than or equal to 4, not 2"),
        ({"task": "parity", "lengths": [40]}, "corpus.lengths: "),
    ],
)
def test_a_wrong_option_is_an_error_at_its_key(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        Experiment.from_dict({"corpus": {"use": "formal-task", **options}}, Path(), Registry.installed())
    assert message in caught.value.message
