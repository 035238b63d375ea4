"""The example of Karpathy's post "The Unreasonable Effectiveness of Recurrent Neural Networks": the word "hello"."""

from pathlib import Path

import pytest
import torch

from seqforge import Experiment, Registry, Run, train
from seqforge.errors import DataError
from seqforge.report.inspection import Inspection

HELLO = Path(__file__).parents[1] / "experiments/hello.toml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Run:
    return train(Experiment.load(HELLO, registry=registry), tmp_path_factory.mktemp("runs"))


def target_probabilities(inspection: Inspection, when: str) -> torch.Tensor:
    """Return the probability of the target on each step, before or after the update."""
    return getattr(inspection, when).gather(1, inspection.targets.unsqueeze(1)).squeeze(1)


def test_the_vocabulary_is_the_letters_of_hello(run: Run) -> None:
    vocabulary = run.vocabulary()
    assert [vocabulary.decode([token]).decode() for token in range(vocabulary.size)] == ["e", "h", "l", "o"]


def test_one_update_raises_the_probability_of_every_target(run: Run) -> None:
    inspection = run.inspect("hello", "initial")
    assert (target_probabilities(inspection, "after") > target_probabilities(inspection, "before")).all()
    for probabilities in (inspection.before, inspection.after):
        torch.testing.assert_close(probabilities.sum(-1), torch.ones(4))


def test_the_state_distinguishes_the_two_ls(run: Run) -> None:
    inspection = run.inspect("hello")
    vocabulary = run.vocabulary()
    l, o = (int(vocabulary.encode(symbol)[0]) for symbol in (b"l", b"o"))  # noqa: E741
    assert inspection.inputs.tolist()[2:] == [l, l]
    assert inspection.targets.tolist()[2:] == [l, o]
    # The input is the same on both steps, so that only the state differs.
    assert inspection.before[2].argmax() == l
    assert inspection.before[3].argmax() == o
    assert (target_probabilities(inspection, "before") > 0.9).all()


def test_the_trained_model_spells_hello(run: Run) -> None:
    assert run.sample("h", length=4) == ["hello"]
    assert (run.directory.samples / "step-00000200.txt").read_text() == "hello"


def test_inspecting_does_not_change_the_run(run: Run) -> None:
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    first, second = run.inspect("hello"), run.inspect("hello")
    assert torch.equal(first.after, second.after)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize(("text", "message"), [("h", "too short to inspect"), ("hallo", "symbol 'a' at position 1")])
def test_a_text_that_cannot_be_inspected_is_an_error(text: str, message: str, run: Run) -> None:
    with pytest.raises(DataError, match=message):
        run.inspect(text)
