"""The warning about threads that wait for cores."""

import hashlib
import itertools
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from seqforge import train
from seqforge.api import listeners
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
        before = waiting_time()
        time.sleep(0.3)
        after = waiting_time()
    finally:
        stop.set()
        os.sched_setaffinity(0, cores)
    for worker in workers:
        worker.join()
    assert before < after


@pytest.mark.parametrize(("threads", "share", "warns"), [(2, 0.16, True), (2, 0.14, False), (1, 0.9, False)])
def test_a_run_warns_once_if_its_threads_wait_for_long(
    threads: int,
    share: float,
    warns: bool,
    experiment: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = itertools.count()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(listeners, "OBSERVED_SECONDS", -1)
    monkeypatch.setattr(listeners, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(listeners, "waiting_time", lambda: share * threads * next(now))
    train(experiment(training={"steps": 3}), tmp_path)
    text = f"seqforge: the {threads} threads of this run wait for a free core during {share:.0%} of the time"
    assert capsys.readouterr().err.count(text) == warns
