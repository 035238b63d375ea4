"""Damaged files of a run are named, and another checkpoint is offered. Nothing damaged is used."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from seqforge import Registry, Run, train
from seqforge.errors import RunError
from seqforge.runs.summary import summarize_run


@pytest.fixture
def run(experiment: Any, tmp_path: Path) -> Run:
    training = {"steps": 6, "checkpoint_interval": 2, "keep_checkpoints": 9, "log_interval": 1}
    return train(experiment(training=training), tmp_path)


def flip(path: Path, place: float = 0.5) -> None:
    """Flip the lowest bit of a byte; `place` is its relative position."""
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors", "progress.json", "manifest.json"])
def test_a_damaged_file_of_a_checkpoint_is_named_and_an_earlier_checkpoint_is_offered(
    name: str, run: Run, registry: Registry
) -> None:
    flip(run.checkpoints.path(6) / name, 0.9)
    longer = Run.open(run.path, ["training.steps=8"], registry)
    with pytest.raises(RunError) as caught:
        longer.resume()
    assert caught.value.message.startswith(f"{run.checkpoints.path(6) / name}: damaged: ")
    good = run.checkpoints.path(5)
    assert f"The last whole checkpoint before it is {good}." in str(caught.value.hint)
    assert f"seqforge run --resume {good}\n" in str(caught.value.hint)
    longer.resume("5")
    assert run.checkpoints.steps()[-1] == 8


def test_a_missing_file_is_named_and_damaged_checkpoints_are_not_offered(run: Run) -> None:
    (run.checkpoints.path(6) / "model.safetensors").unlink()
    flip(run.checkpoints.path(5) / "training.safetensors")
    with pytest.raises(RunError, match=r"step-00000006/model.safetensors: the file is missing") as caught:
        run.model("6")
    assert f"The last whole checkpoint before it is {run.checkpoints.path(4)}." in str(caught.value.hint)
    flip(run.checkpoints.path(2) / "model.safetensors")
    with pytest.raises(RunError) as caught:
        run.model("2")
    assert f"The last whole checkpoint is {run.checkpoints.path(4)}." in str(caught.value.hint)


def test_the_best_checkpoint_is_not_replaced_by_another_without_a_word(run: Run) -> None:
    best = run.checkpoints.best()
    assert best is not None
    assert best[0] == 6
    flip(run.checkpoints.path(6) / "manifest.json", 0.9)
    with pytest.raises(RunError, match=r"step-00000006/manifest.json: damaged"):
        run.model("best")


def test_a_changed_vocabulary_is_refused(run: Run, registry: Registry) -> None:
    path = run.path / "vocabulary.json"
    assert 'z"' in path.read_text()
    path.write_text(path.read_text().replace('z"', '~"'))
    for use in (lambda: Run.open(run.path, ["training.steps=8"], registry).resume(), lambda: run.sample(length=3)):
        with pytest.raises(RunError, match=r"vocabulary.json: damaged: ") as caught:
            use()
        assert caught.value.hint == "Restore the file from a copy of the run directory."


def test_a_changed_experiment_is_refused_until_its_checksum_is_deleted(run: Run, registry: Registry) -> None:
    path = run.directory.experiment
    text = path.read_text()
    path.write_text(text.replace("steps = 6", "steps = 8"))
    with pytest.raises(RunError, match=r"experiment.toml: damaged: ") as caught:
        Run.open(run.path, registry=registry)
    assert "If you edited it yourself, delete its last line" in str(caught.value.hint)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    Run.open(run.path, registry=registry).resume()
    assert run.checkpoints.steps()[-1] == 8


def test_damaged_lines_of_the_log_are_left_out_and_the_run_goes_on(
    run: Run, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    log = run.directory.metrics
    records = run.metrics()
    flip(log)
    before = log.read_bytes()
    warning = f"{log}: lines are missing, damaged or not in their order between step 4 and step 5\n"
    assert len(run.metrics()) == len(records) - 1
    assert capsys.readouterr().err == f"seqforge: {warning}"
    Run.open(run.path, ["training.steps=7"], registry).resume()
    assert warning in capsys.readouterr().err
    assert log.read_bytes().startswith(before)
    kept = [record for record in run.metrics() if record["step"] <= 6]
    assert len(kept) == len(records) - 1
    assert all(record in records for record in kept)


def test_a_line_that_is_being_written_is_not_damaged_but_a_damaged_end_is(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    log, records = run.directory.metrics, run.metrics()
    whole = log.read_bytes()
    log.write_bytes(whole + whole.splitlines()[0][:-9])
    assert run.metrics() == records
    assert not capsys.readouterr().err
    log.write_bytes(whole)
    flip(log, 0.99999)
    assert run.metrics() == records[:-1]
    assert "not in their order after step 6" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["exchanged", "copied"])
def test_a_checkpoint_under_another_name_is_refused(other: str, run: Run) -> None:
    first, last = run.checkpoints.path(4), run.checkpoints.path(6)
    last.rename(run.path / "kept")
    first.rename(last) if other == "exchanged" else shutil.copytree(first, last)
    (run.path / "kept").rename(first) if other == "exchanged" else None
    for name in ("latest", "best", 6):
        with pytest.raises(RunError, match=r"the checkpoint is that of step [46], and was renamed or copied") as caught:
            run.model(name)
    assert f"The last whole checkpoint before it is {run.checkpoints.path(5)}." in str(caught.value.hint)


def test_a_checkpoint_of_another_run_is_refused(run: Run, experiment: Any, tmp_path: Path) -> None:
    path = run.checkpoints.path(6)
    other = train(experiment(training={"steps": 6}), tmp_path / "other").checkpoints.path(6)
    shutil.rmtree(path)
    shutil.copytree(other, path)
    with pytest.raises(RunError, match=r"step-00000006/manifest.json: the checkpoint belongs to another run"):
        run.resume(training={"steps": 8})


def test_the_end_of_the_log_cannot_be_lost_without_a_word(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for log in (run.directory.metrics, run.path / "history.jsonl"):
        content = log.read_bytes()
        log.write_bytes(b"".join(content.splitlines(keepends=True)[:-1]))
        summarize_run(run.path)
        assert f"{log}: lines are missing, damaged or not in their order after step" in capsys.readouterr().err
        log.write_bytes(content)
