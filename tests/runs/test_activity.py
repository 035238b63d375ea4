"""What other processes can read about the work of a run between two steps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from seqforge import Experiment, train
from seqforge.events import RunStarted, StepFinished, WorkProgressed
from seqforge.runs.history import ACTIVITY, read_activity, recorded_activity


class Follower:
    """A callback that reads the activity as another process would."""

    def __init__(self) -> None:
        self.folder = Path()
        self.during_work: set[tuple[str, str]] = set()
        self.during_steps: set[str] = set()

    def on_run_started(self, event: RunStarted) -> None:
        self.folder = event.directory

    def on_work_progressed(self, event: WorkProgressed) -> None:
        if event.fraction is not None:
            self.during_work.add((event.work, read_activity(self.folder)))

    def on_step_finished(self, event: StepFinished) -> None:
        self.during_steps.add(read_activity(self.folder))


def test_the_work_of_a_run_can_be_read_while_it_lasts(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    follower = Follower()
    run = train(experiment(), tmp_path, callbacks=[follower])
    assert {("evaluating", "evaluating"), ("sampling", "sampling")} <= follower.during_work
    assert follower.during_steps == {""}
    assert not (run.path / ACTIVITY).exists()


@pytest.mark.parametrize("content", [b"x" * 1000, b"\xff"])
def test_an_activity_of_another_program_is_bounded(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ACTIVITY).write_bytes(content)
    assert len(read_activity(tmp_path)) <= 1
    (tmp_path / ACTIVITY).unlink()
    (tmp_path / ACTIVITY).symlink_to("/etc/passwd")
    assert read_activity(tmp_path) == ""
    with recorded_activity(tmp_path, "saving"):
        assert read_activity(tmp_path) == "saving"


def test_a_folder_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    with recorded_activity(tmp_path / "missing", "saving"):
        assert read_activity(tmp_path / "missing") == ""
