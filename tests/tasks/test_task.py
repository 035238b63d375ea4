"""The task of an experiment, which prepares only what a call needs."""

from pathlib import Path
from typing import Any

import pytest

from seqforge import Registry, Run, train
from seqforge.errors import RunError
from seqforge.tasks.labelled_examples import decoding_options


def test_sampling_neither_reads_the_corpus_nor_builds_the_loss(
    experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(experiment(training={"steps": 1}), tmp_path)
    monkeypatch.setattr(run.experiment.corpus.component, "documents", lambda self: 1 / 0)
    monkeypatch.setattr(run.experiment.loss.component, "__init__", lambda self: 1 / 0)
    assert len(run.sample("l", length=4)[0]) == 5
    assert run.model().head.out_features == run.vocabulary().size


def test_a_call_for_the_other_task_is_an_error_with_the_right_command(
    experiment: Any, labelled_experiment: Any, labelled: Registry, tmp_path: Path
) -> None:
    examples = train(labelled_experiment(training={"steps": 1}), tmp_path / "examples")
    for call in (examples.sample, lambda: list(examples.stream())):
        with pytest.raises(RunError, match="was trained on labelled examples") as caught:
            call()
        assert caught.value.hint == f"To predict examples: seqforge predict {examples.path} EXAMPLE"
    for call in (examples.probabilities, examples.states, examples.inspect):
        with pytest.raises(RunError, match="was trained on labelled examples"):
            call("ab")
    text = train(experiment(training={"steps": 1}), tmp_path / "text")
    with pytest.raises(RunError, match="a language model") as caught:
        text.predict(["ab"])
    assert caught.value.hint == f"To draw samples: seqforge sample {text.path}"
    assert text.load().example_spec is None
    assert Run.open(examples.path, registry=labelled).load().example_spec is not None


def test_decoding_options_come_from_the_prediction_section(labelled_experiment: Any) -> None:
    chosen = labelled_experiment(
        corpus={"use": "made", "output_mode": "sequence"},
        model={"topology": "many-to-many"},
        prediction={"beam": 3, "length": 7},
    )
    assert (decoding_options(chosen).beam, decoding_options(chosen, beam=None, length=2).length) == (3, 2)
