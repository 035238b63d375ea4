"""The post's own small example: the word "hello"."""

from pathlib import Path

import pytest
import torch

from seqforge import Experiment, Registry, Run, train
from seqforge.api import Inspection
from seqforge.errors import DataError

HELLO = Path(__file__).parents[1] / "experiments/hello.toml"


@pytest.fixture
def run(tmp_path: Path, registry: Registry) -> Run:
    return train(Experiment.load(HELLO, registry=registry), tmp_path)


def right(traced: Inspection, when: str) -> torch.Tensor:
    """The confidence given to the right symbol on each step."""
    return getattr(traced, when).gather(1, traced.targets.unsqueeze(1)).squeeze(1)


def test_the_vocabulary_is_that_of_the_post(run: Run) -> None:
    vocabulary = run.vocabulary()
    assert [vocabulary.decode([token]).decode() for token in range(vocabulary.size)] == ["e", "h", "l", "o"]


def test_one_update_raises_the_right_symbols_confidence_on_every_step(run: Run) -> None:
    traced = run.inspect("hello", "initial")
    assert (right(traced, "after") > right(traced, "before")).all()
    for confidences in (traced.before, traced.after):
        torch.testing.assert_close(confidences.sum(-1), torch.ones(4))


def test_the_state_tells_the_two_ls_apart(run: Run) -> None:
    traced = run.inspect("hello")
    vocabulary = run.vocabulary()
    l, o = (int(vocabulary.encode(symbol)[0]) for symbol in (b"l", b"o"))  # noqa: E741
    assert traced.inputs.tolist()[2:] == [l, l]
    assert traced.targets.tolist()[2:] == [l, o]
    # The same symbol is read on both steps, so that only the state makes the difference.
    assert traced.before[2].argmax() == l
    assert traced.before[3].argmax() == o
    assert (right(traced, "before") > 0.9).all()


def test_the_trained_model_spells_hello(run: Run) -> None:
    assert run.sample("h", length=4) == ["hello"]
    assert (run.directory.samples / "step-00000200.txt").read_text() == "hello"


def test_a_trace_leaves_the_run_as_it_is(run: Run) -> None:
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    first, second = run.inspect("hello"), run.inspect("hello")
    assert torch.equal(first.after, second.after)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize(("text", "message"), [("h", "too short to inspect"), ("hallo", "symbol 'a' at position 1")])
def test_texts_that_cannot_be_traced(text: str, message: str, run: Run) -> None:
    with pytest.raises(DataError, match=message):
        run.inspect(text)
