"""Errors of the storage of a sweep: each is one message without a traceback."""

import io
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState
from rich.console import Console
from seqforge_sweeps.results import count_trials
from seqforge_sweeps.study import RUN, open_study, plan_trials, reported_storage
from seqforge_sweeps.sweep_file import Sweep
from seqforge_sweeps.trials import run_trials
from typer.testing import CliRunner

from seqforge import Registry
from seqforge.api.progress import ProgressDisplay
from seqforge.cli.app import build_app
from seqforge.errors import RunError
from seqforge.events import StepFinished, WorkProgressed


def damage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def change(statement: str) -> Callable[[Path], None]:
    """Return a function that changes a database, so that a later statement fails."""

    def execute(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.executescript(statement)
        connection.close()

    return execute


def fail_insert(table: str) -> Callable[[Path], None]:
    return change(f"create trigger failing before insert on {table} begin insert into missing values (1); end")


@pytest.mark.parametrize(
    ("fault", "options", "reason", "hint"),
    [
        (damage, [], "DatabaseError: file is not a database", "If the file is damaged, delete it"),
        (fail_insert("trials"), [], "OperationalError: no such table: main.missing", "The same command continues"),
        (fail_insert("trial_values"), [], "OperationalError: no such table: main.missing", "The same command"),
        (
            change("alter table trials rename column state to condition"),
            ["--show"],
            "OperationalError: no such column: trials.state",
            "The same command continues the sweep",
        ),
    ],
    ids=["opened", "planned", "run", "shown"],
)
def test_an_error_of_the_database_names_the_storage_and_the_reason(
    fault: Callable[[Path], None], options: list[str], reason: str, hint: str, sweep: Sweep, tmp_path: Path
) -> None:
    command = ["sweep", str(sweep.path), "--output", str(tmp_path / "runs")]
    assert CliRunner().invoke(build_app(Registry.installed()), [*command, "--trials", "1"]).exit_code == 0
    database = tmp_path / "runs/small/study.db"
    fault(database)
    error = CliRunner().invoke(build_app(Registry.installed()), [*command, "--trials", "2", *options]).exception
    assert isinstance(error, RunError)
    assert error.message == f"the storage {database} cannot be used: {reason}"
    assert (error.hint or "").startswith(hint)


@pytest.mark.parametrize("storage", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite://"])
def test_a_database_in_memory_is_refused(storage: str, sweep: Sweep, tmp_path: Path) -> None:
    with pytest.raises(RunError) as raised:
        open_study(sweep, storage, tmp_path)
    assert raised.value.message.startswith(f"the storage {storage} is a database in memory")
    assert "sqlite:///sweep.db" in (raised.value.hint or "")


def test_a_locked_database_is_reported(sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge_sweeps.study.LOCK_SECONDS", 0)
    study = open_study(sweep, None, tmp_path)
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None)
    other.execute("begin exclusive")
    with (
        pytest.raises(RunError, match="cannot be used: OperationalError: database is locked"),
        reported_storage(None, tmp_path),
    ):
        plan_trials(study, sweep)
    other.close()


class OutageUntil:
    """A callback that lets a database be used again at a step."""

    def __init__(self, database: Path, step: int) -> None:
        self._database, self._step = database, step

    def on_step_finished(self, event: StepFinished) -> None:
        if event.step == self._step:
            change("drop trigger run_fails; drop trigger evaluation_fails")(self._database)


def test_a_trial_outlasts_an_outage_of_the_storage(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = open_study(sweep, None, tmp_path)
    plan_trials(study, sweep)
    fails = "begin select abs(-9223372036854775808); end"  # no constraint, whose error Optuna may ignore
    change(
        f"create trigger run_fails before insert on trial_user_attributes when new.key = '{RUN}' {fails};"
        f"create trigger evaluation_fails before insert on trial_intermediate_values {fails}"
    )(tmp_path / "study.db")
    outage = OutageUntil(tmp_path / "study.db", 3)
    trial = next(run_trials(study, sweep, tmp_path, Registry.installed(), [outage]))
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs[RUN] == str(tmp_path / "trial-0000")
    assert list(trial.intermediate_values) == [667]  # not the evaluation at step 2
    assert capsys.readouterr().err == (
        "seqforge: trial 0 cannot be reported to the storage of the sweep: OperationalError: integer overflow. "
        "Training continues. The trial is not pruned until the storage can be used again.\n"
    )


def test_the_bar_of_a_trial_is_displayed_without_the_storage(sweep: Sweep, tmp_path: Path) -> None:
    study = open_study(sweep, None, tmp_path)
    change("alter table trials rename column state to condition")(tmp_path / "study.db")
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=80)
    with ProgressDisplay(console, title=lambda: count_trials(study)) as display:
        display.on_work_progressed(WorkProgressed("evaluating", 0.5))
    assert "evaluating" in output.getvalue()
