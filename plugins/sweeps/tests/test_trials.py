"""Trials: their run directories, and how they are shared by workers, interrupted, resumed, pruned and repeated."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.pruners import ThresholdPruner
from optuna.trial import TrialState
from seqforge_sweeps.results import name_trial, tabulate_trials
from seqforge_sweeps.study import (
    PLANNED,
    QUEUED,
    REPEATS,
    RUN,
    WORKER,
    choose_values,
    lock_folder,
    open_study,
    plan_trials,
    planned,
    repeat_dead_trials,
    repeat_trial,
    take_trial,
)
from seqforge_sweeps.sweep_file import Sweep, read_sweep
from seqforge_sweeps.trials import run_trials
from typer.testing import CliRunner

from seqforge import Registry, Run, train
from seqforge.cli.app import build_app
from seqforge.errors import ExperimentError, RunError
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import read_state
from seqforge.runs.summary import find_runs, summarize_run


def planned_study(sweep: Sweep) -> optuna.Study:
    folder = sweep.path.parent / "small"
    with lock_folder(folder):
        study = open_study(sweep, None, folder)
        plan_trials(study, sweep)
    return study


def run(study: optuna.Study, sweep: Sweep, *callbacks: object) -> list[optuna.trial.FrozenTrial]:
    return list(run_trials(study, sweep, sweep.path.parent / "small", Registry.installed(), callbacks))


def test_the_command_runs_every_trial_once_and_writes_a_page(sweep: Sweep, tmp_path: Path) -> None:
    arguments = ["sweep", str(sweep.path), "--output", str(tmp_path / "runs"), "--json"]
    result = CliRunner().invoke(build_app(Registry.installed()), arguments)
    rows = json.loads(result.stdout)
    assert sorted(row["trial"] for row in rows) == [0, 1, 2]
    assert [row["value"] for row in rows] == sorted(row["value"] for row in rows)
    assert "the best so far" in result.stderr
    assert "left to start" not in result.stderr
    for row in rows:
        trained = Run.open(row["run"])
        assert (
            trained.experiment.model.cells[0].options["hidden_size"] == row["parameters"]["model.cells.0.hidden_size"]
        )
        assert summarize_run(trained.path).best.value == row["value"]
    page = (tmp_path / "runs/small/study.html").read_text()
    assert page.count("Plotly.newPlot") >= 4
    assert "<script src" not in page
    assert "http" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert f"<td>{rows[0]['value']:.4g}</td>" in page
    again = CliRunner().invoke(build_app(Registry.installed()), arguments)
    assert json.loads(again.stdout) == rows
    assert "No trial of this sweep is left to start" in again.stderr
    assert len(list(find_runs(tmp_path / "runs"))) == 3


def test_the_command_refuses_the_processes_of_torchrun(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = CliRunner().invoke(build_app(Registry.installed()), ["sweep", str(sweep.path)])
    assert isinstance(result.exception, RunError)
    assert "trained by one process" in result.exception.message


class InterruptAt:
    """A callback that sends SIGINT after a step, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_finished(self, event: Any) -> None:
        if event.step == self._step:
            signal.raise_signal(signal.SIGINT)


def test_an_interrupted_trial_continues_in_its_run_directory(sweep: Sweep, tmp_path: Path) -> None:
    study = planned_study(sweep)
    # A process in the background of a shell ignores the signal.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(study, sweep, InterruptAt(3))
    finally:
        signal.signal(signal.SIGINT, previous)
    states = [trial.state for trial in planned(study)]
    assert states == [TrialState.WAITING] * 3
    continued, *_ = done = [trial for trial in run(planned_study(sweep), sweep) if RUN in trial.user_attrs]
    assert len(done) == 3
    path = Path(next(trial for trial in done if trial.number == 3).user_attrs[RUN])
    assert path.name == "trial-0000"
    assert sorted(map(name_trial, tabulate_trials(study))) == ["1", "2", "3 in trial-0000"]
    starts = [json.loads(line) for line in (path / "history.jsonl").read_text().splitlines()]
    assert [(record["event"], record["step"]) for record in starts] == [
        ("started", 0),
        ("ended", 3),
        ("started", 3),
        ("ended", 6),
    ]
    whole = sweep.experiment(done[-1].params | study.trials[0].params, "whole", Registry.installed())
    expected = train(whole, tmp_path).losses()[-1]["validation_loss"]
    assert Run.open(path).losses()[-1]["validation_loss"] == expected
    assert len(list(find_runs(path.parent))) == 3
    assert continued.state == TrialState.COMPLETE


@pytest.mark.parametrize("name", ["what?x=1", "{x}", "50%25", "a#b"])
def test_the_path_of_the_folder_is_no_url(name: str, sweep: Sweep, tmp_path: Path) -> None:
    with lock_folder(tmp_path / name):
        plan_trials(open_study(sweep, None, tmp_path / name), sweep)
    assert (tmp_path / name / "study.db").is_file()
    assert len(open_study(sweep, None, tmp_path / name).trials) == 3


def test_workers_share_the_queue(sweep: Sweep) -> None:
    first, second = planned_study(sweep), planned_study(sweep)
    taken = [take_trial(study, sweep) for study in (first, second, first, second)]
    assert [trial and trial.number for trial in taken] == [0, 1, 2, None]
    for trial in filter(None, taken):
        trial.set_user_attr(WORKER, [socket.gethostname(), os.getppid()])
    repeat_dead_trials(second)
    assert [trial.state for trial in planned(first)] == [TrialState.RUNNING] * 3


def test_workers_that_start_at_the_same_time_plan_the_trials_once(sweep: Sweep) -> None:
    with ThreadPoolExecutor(3) as pool:
        studies = list(pool.map(lambda _: planned_study(sweep), range(3)))
    assert len(planned(studies[0])) == 3


def test_trials_of_an_earlier_process_with_the_same_id_are_repeated(sweep: Sweep) -> None:
    study = planned_study(sweep)
    take_trial(study, sweep)
    repeat_dead_trials(study)
    assert [trial.number for trial in planned(study)] == [1, 2, 3]


def test_a_trial_whose_run_is_locked_is_not_repeated(sweep: Sweep, tmp_path: Path) -> None:
    # A container with the same host name has processes with other ids, or with the same.
    study = planned_study(sweep)
    trial = take_trial(study, sweep)
    assert trial is not None
    (tmp_path / "trial-0000").mkdir()
    trial.set_user_attr(RUN, str(tmp_path / "trial-0000"))
    with RunDirectory(tmp_path / "trial-0000").lock():
        repeat_dead_trials(study)
        assert [one.number for one in planned(study)] == [0, 1, 2]
    repeat_dead_trials(study)
    assert [one.number for one in planned(study)] == [1, 2, 3]


def test_trials_of_killed_processes_of_this_machine_are_repeated(sweep: Sweep) -> None:
    study = planned_study(sweep)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for host in (socket.gethostname(), "another-machine"):
        trial = take_trial(study, sweep)
        assert trial is not None
        trial.set_user_attr(WORKER, [host, dead.pid])
    repeat_dead_trials(study)
    states = {trial.number: trial.state.name for trial in study.trials}
    assert states == {0: "FAIL", 1: "RUNNING", 2: "WAITING", 3: "WAITING"}
    assert [trial.number for trial in planned(study)] == [1, 2, 3]


def test_a_trial_that_is_killed_at_its_start_keeps_its_values(sweep: Sweep) -> None:
    sweep.path.write_text(sweep.path.read_text().replace("{ log = [1e-3, 1e-1] }", "[0.01]"))
    study = planned_study(grid := read_sweep(sweep.path))
    # Three workers are killed before they choose the values: the first size is repeated twice, the second one once.
    for _ in range(3):
        take_trial(study, grid)
        repeat_dead_trials(study)
    values = [{"model.cells.0.hidden_size": size, "optimizer.learning_rate": 0.01} for size in (6, 4)]
    assert [choose_values(trial, grid) for _ in range(2) if (trial := take_trial(study, grid))] == values
    assert take_trial(study, grid) is None


def test_a_trial_that_two_workers_repeat_is_run_once(sweep: Sweep) -> None:
    first, second = planned_study(sweep), planned_study(sweep)
    trial = take_trial(first, sweep)
    assert trial is not None
    frozen = first.trials[0]
    # The first worker is killed before it marks the trial as failed.
    first.enqueue_trial(frozen.params, user_attrs={PLANNED: True, REPEATS: 0})
    repeat_trial(second, frozen)
    repeat_trial(first, frozen)
    assert [one.number for one in planned(first)] == [1, 2, 3]
    taken = [take_trial(study, sweep) for study in (first, second, first, second)]
    assert [one and one.number for one in taken] == [1, 2, 3, None]


class RepeatedAt:
    """A callback that repeats the running trial after a step, as a worker on another machine does."""

    def __init__(self, study: optuna.Study, step: int) -> None:
        self._study, self._step = study, step

    def on_step_finished(self, event: Any) -> None:
        running = [trial for trial in planned(self._study) if trial.state == TrialState.RUNNING]
        if event.step == self._step and running[0].number == 0:
            repeat_trial(self._study, running[0])


@pytest.mark.parametrize("step", [2, 5])
def test_a_trial_that_another_worker_repeats_has_no_result(
    step: int, sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    study = planned_study(sweep)
    trials = run_trials(
        study, sweep, folder := sweep.path.parent / "small", Registry.installed(), [RepeatedAt(study, step)]
    )
    assert next(trials).number == 1
    assert read_state(folder / "trial-0000")[0] == "finished"
    assert "seqforge: another worker repeats trial 0" in capsys.readouterr().err
    assert [trial.number for trial in trials] == [2, 3]
    assert [trial.state for trial in planned(study)] == [TrialState.COMPLETE] * 3


def test_components_of_a_file_can_be_swept(sweep: Sweep, tmp_path: Path) -> None:
    file = tmp_path / "my_cells.py"
    file.write_text("from seqforge_essentials.cells.gru import GRU\n\n\nclass MyGRU(GRU):\n    pass\n")
    base = tmp_path / "base.toml"
    base.write_text(base.read_text().replace('"gru"', '"my-gru"'))
    sweep.path.write_text(sweep.path.read_text().replace("trials = 3", "trials = 1"))
    arguments = ["sweep", str(sweep.path), "--plugin", str(file), "--output", str(tmp_path / "runs"), "--json"]
    result = CliRunner().invoke(build_app(Registry.installed()), arguments)
    assert [row["state"] for row in json.loads(result.stdout)] == ["finished"]
    shown = CliRunner().invoke(build_app(Registry.installed()), [*arguments[:-1], "--show"])
    assert f"/trial-0000/experiment.toml --plugin {file}\n" in shown.stdout.replace("\n ", "")


def test_a_pruned_trial_is_a_run_that_can_be_read(sweep: Sweep) -> None:
    study = planned_study(sweep)
    study.pruner = ThresholdPruner(upper=0.0)
    (trial, *_) = run(study, sweep)
    assert trial.state == TrialState.PRUNED
    summary = summarize_run(Path(trial.user_attrs[RUN]))
    assert (summary.state, summary.reason) == ("interrupted", "interrupted: pruned by the sweep at step 4")
    assert len(Run.open(summary.path).sample(length=3)[0]) >= 3
    assert tabulate_trials(study)[0]["reason"] == "worse than others at step 4"


def test_a_grid_has_every_combination(sweep: Sweep) -> None:
    sweep.path.write_text(
        sweep.path.read_text().replace("{ log = [1e-3, 1e-1] }", "[0.01, 1e38]").replace("[4, 6]", "[4]")
    )
    (grid := read_sweep(sweep.path)).check(Registry.installed())
    study = planned_study(grid)
    plan_trials(study, grid)
    assert [row["parameters"]["optimizer.learning_rate"] for row in tabulate_trials(study)] == [0.01, 1e38]
    first, second = run(study, grid)
    assert [trial.params["optimizer.learning_rate"] for trial in (first, second)] == [0.01, 1e38]
    assert second.user_attrs["error"].startswith("diverged: ")
    assert [row["state"] for row in tabulate_trials(study)] == ["finished", "pruned"]


def test_enough_trials_try_every_combination_once(sweep: Sweep) -> None:
    sweep.path.write_text(sweep.path.read_text().replace("{ log = [1e-3, 1e-1] }", "[0.1, 0.7]"))
    sampled = read_sweep(sweep.path, trials=1)
    run(planned_study(sampled), sampled)
    all_trials = read_sweep(sweep.path, trials=9)
    assert len(run(planned_study(all_trials), all_trials)) == 3
    study = planned_study(all_trials)
    chosen = {
        (trial.params["model.cells.0.hidden_size"], trial.params["optimizer.learning_rate"]) for trial in study.trials
    }
    assert chosen == {(4, 0.1), (4, 0.7), (6, 0.1), (6, 0.7)}
    assert len(study.trials) == 4


def test_trials_that_wait_are_replaced_when_every_combination_is_tried(sweep: Sweep) -> None:
    sweep.path.write_text(sweep.path.read_text().replace("{ log = [1e-3, 1e-1] }", "[0.1, 0.7]"))
    sampled = read_sweep(sweep.path, trials=3)
    take_trial(planned_study(sampled), sampled)
    all_trials = read_sweep(sweep.path, trials=9)
    study = planned_study(all_trials)
    assert len(planned(study)) <= 5  # The one that was taken has no values yet, and may be any of the four.
    assert sum(bool(trial.user_attrs.get(QUEUED)) for trial in planned(study)) == 4


def test_fewer_trials_may_be_asked_for_when_a_sweep_is_continued(sweep: Sweep) -> None:
    study = planned_study(sweep)
    assert take_trial(study, sweep) is not None
    fewer = read_sweep(sweep.path, trials=2)
    assert [take_trial(study, fewer) is not None for _ in range(2)] == [True, False]


def test_a_sweep_ends_when_every_trial_fails_and_repeats_them_when_it_is_continued(sweep: Sweep) -> None:
    sweep.path.write_text(sweep.path.read_text() + "training.batch_size = [5000]\n")
    failing = read_sweep(sweep.path)
    study = planned_study(failing)
    with pytest.raises(RunError, match="3 trials in a row have failed, the last one because of: the training split"):
        run(study, failing)
    failed = planned(study)
    queued = planned(planned_study(failing))
    assert [trial.state for trial in (*failed, *queued)] == [TrialState.FAIL] * 3 + [TrialState.WAITING] * 3
    assert [trial.user_attrs[QUEUED] for trial in queued] == [trial.params for trial in failed]


def test_other_parameters_need_another_name(sweep: Sweep) -> None:
    open_study(sweep, None, sweep.path.parent)
    sweep.path.write_text(sweep.path.read_text().replace("[4, 6]", "[4, 5]"))  # There is no trial yet.
    planned_study(read_sweep(sweep.path))
    sweep.path.write_text(sweep.path.read_text().replace("[4, 5]", "[4, 8]"))
    with pytest.raises(ExperimentError, match="other values of model"):
        planned_study(read_sweep(sweep.path))


def test_another_base_experiment_needs_another_name(sweep: Sweep) -> None:
    planned_study(sweep)
    planned_study(read_sweep(sweep.path, ['experiment.name="other"'], trials=5))
    changed = read_sweep(sweep.path, ["training.steps=99", "model.dropout=0.5"])
    with pytest.raises(ExperimentError, match=r"already run with other values of model.dropout, training.steps\n"):
        planned_study(changed)
    shown = CliRunner().invoke(
        build_app(Registry.installed()),
        ["sweep", str(sweep.path), "--set", "training.steps=99", "--output", str(sweep.path.parent), "--show"],
    )
    assert "waiting" in shown.stdout
