"""The metrics log: a line is written whole or not at all, and lines that are lost are noticed."""

import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqforge.distribution.world import World
from seqforge.errors import RunError
from seqforge.runs.directory import RunDirectory
from seqforge.runs.metrics_log import MetricsLog, describe_logs, read_metrics, to_lines
from seqforge.runs.verification import CheckpointManifest
from seqforge.storage.records import MANIFEST
from seqforge.training.record import RunRecord

STORED = Path(__file__).parents[1] / "training" / "runs" / "version-3"


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Limit the size of files inside the block: a write beyond it fails after the part that fits."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1, 30])
def test_of_a_line_that_cannot_be_written_nothing_stays(room: int, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    log.append("step", 1, {"loss": 2.0})
    before = path.read_bytes()
    with limited_files(len(before) + room), pytest.raises(RunError, match=r"writing .*metrics\.jsonl: File too large"):
        log.append("step", 2, {"loss": 1.0})
    assert path.read_bytes() == before
    log.append("step", 2, {"loss": 1.0})
    assert [record["step"] for record in read_metrics(path)] == [1, 2]


CHANGES: dict[str, Callable[[list[bytes], int, int], list[bytes]]] = {
    "deleted": lambda lines, first, second: [line for index, line in enumerate(lines) if index != first],
    "repeated": lambda lines, first, second: [*lines[:second], lines[first], *lines[second:]],
    "exchanged": lambda lines, first, second: [
        lines[{first: second, second: first}.get(index, index)] for index in range(len(lines))
    ],
    "older": lambda lines, first, second: lines[:first],
    "changed": lambda lines, first, second: [
        line.replace(b'"loss": 1', b'"loss": 2') if index == first else line for index, line in enumerate(lines)
    ],
}


@pytest.mark.parametrize("name", CHANGES)
@given(data=st.data())
def test_a_line_that_is_missing_or_not_at_its_place_is_noticed(name: str, data: st.DataObject) -> None:
    records = [{"event": "step", "step": step, "loss": 1.5} for step in range(1, data.draw(st.integers(3, 8)))]
    places = st.lists(st.sampled_from(range(len(records))), min_size=2, max_size=2, unique=True)
    first, second = sorted(data.draw(places))
    with TemporaryDirectory() as folder:
        run = Path(folder)
        path = run / "metrics.jsonl"
        path.write_bytes(to_lines(records))
        assert read_metrics(path) == records
        write_manifest(run)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(CHANGES[name](lines, first, second)))
        printed = StringIO()
        with redirect_stderr(printed):
            found = read_metrics(path)
    steps = [record["step"] for record in found]
    assert steps == sorted(set(steps))
    assert all(record in records for record in found)
    assert "lines are missing, damaged or not in their order " in printed.getvalue()


def write_manifest(run: Path) -> None:
    """Write the manifest of a checkpoint that is saved now."""
    checkpoint = run / "checkpoints" / "step-00000009"
    checkpoint.mkdir(parents=True)
    CheckpointManifest(step=9, loss=None, files={}, run={}, logs=describe_logs(run)).write(checkpoint / MANIFEST)


def test_the_places_of_missing_lines_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(to_lines({"event": "step", "step": step} for step in range(1000, 1020)))
    write_manifest(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)

    def warning(*kept: int) -> str:
        path.write_bytes(b"".join(lines[index] for index in kept))
        read_metrics(path)
        return capsys.readouterr().err.partition("order ")[2]

    assert warning(*range(20)) == ""
    assert warning(1, 2, *range(3, 20)) == "before step 1,002\n"
    assert warning(0, 1, *range(3, 20)) == "between step 1,001 and step 1,004\n"
    assert warning(*range(19)) == "after step 1,018\n"
    assert warning() == "everywhere\n"
    places = warning(*(index for index in range(20) if index % 3))
    assert places.startswith("before step 1,002, between step 1,002 and step 1,005, ")
    assert places.endswith(", and at 2 other places\n")


def test_a_summary_has_the_evaluations_and_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    events = ["step", "evaluation", *["step"] * 9]
    path.write_bytes(to_lines({"event": event, "step": step} for step, event in enumerate(events)))
    assert [record["step"] for record in read_metrics(path, summary=True)] == [1, 7, 8, 9, 10]


def test_lines_after_the_checkpoint_that_a_run_resumes_are_not_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = RunDirectory(shutil.copytree(STORED, tmp_path / "run"))
    record = RunRecord(directory, World(), "", 1)
    MetricsLog(directory.metrics).append("step", 11, {"loss": 1.0})
    record.checkpoints.record_logs()
    record.truncate(10)
    assert {line["step"] for line in read_metrics(directory.metrics)} <= {*range(11)}
    assert capsys.readouterr().err == ""


def test_a_line_may_have_a_value_for_each_of_many_classes(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append("evaluation", 10, {f"accuracy.{number}": 0.5 for number in range(6000)})
    assert len(log.find("evaluation", 10) or {}) == 6002


def test_lines_that_are_no_records_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(to_lines([{"event": "step", "step": 1}, {"event": 4, "step": 2}, {"event": "step", "step": "3"}]))
    assert [record["step"] for record in read_metrics(path)] == [1]
