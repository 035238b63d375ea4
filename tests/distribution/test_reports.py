"""The error of several processes is printed once, with the rank of a process that is not the first."""

import contextlib
import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from processes import run_world
from torch.distributed import HashStore

from seqforge.cli.run import reported_once
from seqforge.distribution import launch
from seqforge.distribution.launch import Launch
from seqforge.distribution.world import join_world
from seqforge.errors import RunError


@pytest.mark.parametrize(
    ("failing", "printed"),
    [
        ([0, 1, 2], ["error: the folder is missing\nCreate it.\n", "", ""]),
        ([2], ["", "", "error: process 2 of 3: the folder is missing\nCreate it.\n"]),
    ],
)
def test_one_process_prints_the_error(failing: list[int], printed: list[str], tmp_path: Path) -> None:
    def fail() -> str:
        output = io.StringIO()
        shown, ended = contextlib.redirect_stderr(output), contextlib.suppress(typer.Exit)
        with shown, join_world() as world, ended, reported_once(world):
            if 0 in failing:  # On a busy machine, the first process may take longer to fail than others wait for it.
                launch.PATIENCE = timedelta(minutes=1)
            world.sum([0.0])
            if world.rank in failing:
                raise RunError("the folder is missing", hint="Create it.")
            world.sum([1.0])
        return output.getvalue()

    assert run_world(3, fail, tmp_path) == printed


def test_the_process_whose_computation_failed_prints_the_error(tmp_path: Path) -> None:
    def fail() -> str:
        def compute() -> int:
            if world.rank == 1:
                raise RunError("the metric cannot be computed")
            return 0

        output = io.StringIO()
        shown, ended = contextlib.redirect_stderr(output), contextlib.suppress(typer.Exit)
        with shown, join_world() as world, ended, reported_once(world):
            world.collect(compute)
        return output.getvalue()

    assert run_world(2, fail, tmp_path) == ["", "error: process 1 of 2: the metric cannot be computed\n"]


def test_a_training_that_was_restarted_finds_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt() -> list[str | None]:
        found: list[str | None] = []
        for number in range(2):
            os.environ["TORCHELASTIC_RESTART_COUNT"] = str(number)
            for training in ("one", "two"):
                with join_world() as world:
                    assert world.launch is not None
                    run = world.launch.recall_run()
                    found.append(run.name if run else None)
                    if world.is_first:
                        world.launch.remember_run(tmp_path / training)
                    world.sum([0.0])
        return found

    assert run_world(2, attempt, tmp_path)[0] == [None, None, "one", "two"]


def test_a_process_waits_until_all_have_arrived_or_one_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    store = HashStore()
    first, second = (Launch(store, rank, attempt=0, training=0) for rank in range(2))
    with pytest.raises(TimeoutError):
        first.wait_for("start", 2, arrive=True, timeout=timedelta(seconds=2))
    assert sum(waited) == pytest.approx(2)
    second.wait_for("start", 2, arrive=True, timeout=timedelta(seconds=2))
    first.wait_for("start", 2, arrive=False, timeout=timedelta(seconds=2))
    waited.clear()
    first.report(lambda: None)
    assert second.has_failed()
    with pytest.raises(TimeoutError):
        second.wait_for("end", 2, arrive=True, timeout=timedelta(seconds=2))
    assert waited == []
