"""The metrics log: a line is written whole or not at all."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seqforge.errors import RunError
from seqforge.runs.metrics_log import MetricsLog, read_metrics


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
