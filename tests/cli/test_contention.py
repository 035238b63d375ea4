"""The warning about other programs that use the cores."""

import os
import time

import pytest

from seqforge.cli.run import MEASURED_SECONDS, ContentionWarning
from seqforge.events import StepFinished

STEP = StepFinished(1, 0.1, 0.1, 1.0, None, 1.0, 0.1, 100.0, 1.0)


@pytest.mark.parametrize(
    ("threads", "share", "load", "warns"),
    [(2, 0.5, 6.0, True), (2, 0.95, 6.0, False), (2, 0.5, 2.0, False), (1, 0.5, 6.0, False)],
)
def test_a_run_warns_once_if_it_gets_too_little_of_busy_cores(
    threads: int,
    share: float,
    load: float,
    warns: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 100.0
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "process_time", lambda: now * share * threads)
    callback = ContentionWarning(threads, 2)
    for _ in range(6):
        callback.on_step_finished(STEP)
        now += MEASURED_SECONDS / 2
    assert capsys.readouterr().err.count("other programs use the cores (load 6.0 on 2 cores)") == warns
