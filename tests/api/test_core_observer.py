"""The warning about cores that other programs use."""

import hashlib
import os
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from seqforge.api import listeners
from seqforge.api.listeners import LONG_WAIT, OBSERVED_SECONDS, CoreObserver
from seqforge.events import RunStarted, StepFinished
from seqforge.hardware import waiting_time


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not count the time")
def test_threads_that_share_one_core_wait_for_it() -> None:
    cores, stop = os.sched_getaffinity(0), threading.Event()

    def work() -> None:
        while not stop.is_set():
            hashlib.sha256(bytes(1 << 20)).digest()  # without the lock of the interpreter

    os.sched_setaffinity(0, {min(cores)})
    try:
        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        started, waited = time.monotonic(), waiting_time()
        time.sleep(0.5)
        share = (waiting_time() - waited) / (2 * (time.monotonic() - started))
    finally:
        stop.set()
        os.sched_setaffinity(0, cores)
    for worker in workers:
        worker.join()
    assert share > 2 * LONG_WAIT


@pytest.mark.parametrize(
    ("threads", "share", "warns"), [(2, LONG_WAIT + 0.01, True), (2, LONG_WAIT - 0.01, False), (1, 0.9, False)]
)
def test_a_run_warns_once_if_its_threads_wait_for_long(
    threads: int, share: float, warns: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(listeners.time, "monotonic", lambda: now)
    monkeypatch.setattr(listeners, "waiting_time", lambda: share * threads * now)
    observer = CoreObserver()
    observer.on_run_started(Mock(spec=RunStarted))
    printed: list[str] = []
    for seconds in (OBSERVED_SECONDS - 1, OBSERVED_SECONDS + 1, 2 * OBSERVED_SECONDS):
        now = float(seconds)
        observer.on_step_finished(Mock(spec=StepFinished))
        printed.append(capsys.readouterr().err)
    assert [bool(text) for text in printed] == [False, warns, False]
    assert ("OMP_NUM_THREADS=1" in printed[1]) == warns
