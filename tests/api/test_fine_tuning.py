"""Fine-tuning: a run that starts from the weights of another run, on a corpus with other symbols."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from seqforge import Experiment, Registry, Run, train, use
from seqforge.errors import RunError
from seqforge.kinds import Corpus, Document

TEXT = "the quick brown fox jumps over the lazy dog; " * 20


@pytest.fixture
def run(experiment: Any, tmp_path: Path) -> Run:
    return train(experiment(corpus={"use": "inline", "text": TEXT}), tmp_path / "first")


class InitialWeightsRecorder:
    line: str | None = None

    def on_run_started(self, event: Any) -> None:
        self.line = event.initial


def test_weights_are_mapped_symbol_by_symbol(run: Run, experiment: Any, tmp_path: Path) -> None:
    tables = {"corpus": {"use": "inline", "text": TEXT.replace("z", "Z!").replace("q", "")}}
    recorder = InitialWeightsRecorder()
    tuned = train(experiment(**tables), tmp_path / "second", initial=run, callbacks=[recorder])
    size = run.vocabulary().size
    assert recorder.line == f"{run.checkpoints.find('best')}: {size - 2} symbols kept, 2 new, 2 dropped"
    old, new, fresh = (
        run.model(),
        tuned.model("initial"),
        train(experiment(**tables), tmp_path / "third").model("initial"),
    )
    old_id, new_id = (int(one.vocabulary().encode(b"x")[0]) for one in (run, tuned))
    assert old_id != new_id
    added_id = int(tuned.vocabulary().encode(b"!")[0])
    for name, tensor in new.state_dict().items():
        axis = next((axis for axis, size in enumerate(tensor.shape) if size == tuned.vocabulary().size), None)
        if axis is None:
            assert torch.equal(tensor, old.state_dict()[name])
        else:
            assert torch.equal(tensor.select(axis, new_id), old.state_dict()[name].select(axis, old_id)), name
            mean = old.state_dict()[name].mean(axis)
            torch.testing.assert_close(
                tensor.select(axis, added_id), mean + fresh.state_dict()[name].select(axis, added_id)
            )


def test_with_the_same_vocabulary_every_weight_of_the_given_checkpoint_is_kept(
    run: Run, experiment: Any, tmp_path: Path
) -> None:
    checkpoint = run.checkpoints.find("latest")
    chosen = experiment(corpus={"use": "inline", "text": TEXT[::-1]}, training={"steps": 20})
    tuned = train(chosen, tmp_path / "second", initial=checkpoint)
    for name, tensor in run.model("latest").state_dict().items():
        assert torch.equal(tuned.model("initial").state_dict()[name], tensor)
    assert tuned.evaluate().loss < run.evaluate(checkpoint="initial").loss


def test_weights_outside_of_the_bounds_of_the_new_cell_are_moved_to_them(experiment: Any, tmp_path: Path) -> None:
    def bounded_by(largest: float) -> Experiment:
        return experiment(model={"cells": [{"use": "ind-rnn", "hidden_size": 4, "largest_weight": largest}]})

    tuned = train(bounded_by(0.1), tmp_path / "second", initial=train(bounded_by(1.0), tmp_path / "first"))
    assert tuned.model("initial").state_dict()["stack.cells.0.recurrent_weight"].abs().max() == torch.tensor(0.1)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"use": "essentials/lstm", "hidden_size": 13}, "the experiment needs"),
        ({"use": "essentials/gru", "hidden_size": 12}, "the weights do not fit the experiment: "),
    ],
)
def test_weights_of_other_cells_or_sizes_are_an_error_and_create_no_run(
    cells: dict[str, Any], message: str, run: Run, experiment: Any, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=message) as caught:
        train(experiment(model={"cells": [cells]}), tmp_path / "second", initial=run)
    assert str(run.directory.experiment) in str(caught.value.hint)
    assert not (tmp_path / "second").exists()


def test_a_run_on_labelled_examples_can_be_fine_tuned(
    labelled_experiment: Any, tmp_path: Path, labelled: Registry
) -> None:
    table = labelled_experiment().table
    first = train(Experiment.from_dict(table, registry=labelled), tmp_path / "first")
    second = train(Experiment.from_dict(table, registry=labelled), tmp_path / "second", initial=first)
    for name, tensor in first.model().state_dict().items():
        assert torch.equal(second.model("initial").state_dict()[name], tensor)


@pytest.mark.parametrize("arguments", [{"initial": "runs/none"}, {"output": "file/runs"}, {"output": "file"}])
def test_a_wrong_run_or_folder_is_an_error_before_the_corpus_is_read(
    arguments: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    read: list[str] = []

    class Watched(Corpus):
        def documents(self) -> Iterator[Document]:
            read.append("a")
            yield Document("a", b"some text")

        def fingerprint(self) -> str:
            return "watched"

        def describe(self) -> str:
            return "watched"

    with pytest.raises(RunError, match=r"no such folder|it is a file, not a folder"):
        train(Experiment(corpus=use(Watched)), **arguments)
    assert not read
