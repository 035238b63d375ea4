"""Errors of the storage of a sweep: each is one message without a traceback."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from seqforge_sweeps.storage import reported_storage
from seqforge_sweeps.study import open_study, plan_trials
from seqforge_sweeps.sweep_file import Sweep
from typer.testing import CliRunner

from seqforge import Registry
from seqforge.cli.app import build_app
from seqforge.errors import RunError


def damage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def change(statement: str) -> Callable[[Path], None]:
    """Return a function that changes a database, so that a later statement fails."""

    def execute(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.execute(statement)
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


def test_a_locked_database_is_reported(sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge_sweeps.storage.LOCK_SECONDS", 0)
    study = open_study(sweep, None, tmp_path)
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None)
    other.execute("begin exclusive")
    with (
        pytest.raises(RunError, match="cannot be used: OperationalError: database is locked"),
        reported_storage(None, tmp_path),
    ):
        plan_trials(study, sweep, grid=False)
    other.close()
