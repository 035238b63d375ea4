"""A callback that notices that other programs use the cores of a run."""

import os
import time

from seqforge.errors import warn
from seqforge.events import StepFinished
from seqforge.training.callbacks import Callback

MEASURED_SECONDS = 10.0
"""Training time after which the use of the cores is measured."""

LOWEST_SHARE = 0.8
"""Share of the time of its threads that a run gets at least on a machine without other programs."""

HIGHEST_LOAD = 1.25
"""Load for each core above which there are other programs."""


class ContentionWarning(Callback):
    """Warns once if a run gets a small part of the time of its threads, because other programs use the cores.

    Threads that wait for each other lose more than they gain then: with one thread, training may be faster.

    Args:
        threads: Number of threads of the run.
        cores: Number of cores.
    """

    def __init__(self, threads: int, cores: int) -> None:
        self._threads = threads
        self._cores = cores
        self._started: tuple[float, float] | None = None
        self._is_measured = threads < 2 or not hasattr(os, "getloadavg")

    def on_step_finished(self, event: StepFinished) -> None:
        """Measure the use of the cores once."""
        if self._is_measured:
            return
        now = time.monotonic(), time.process_time()
        self._started = self._started or now
        elapsed, used = (after - before for after, before in zip(now, self._started, strict=True))
        if elapsed < MEASURED_SECONDS:
            return
        self._is_measured = True
        load = os.getloadavg()[0]
        if used < LOWEST_SHARE * self._threads * elapsed and load > HIGHEST_LOAD * self._cores:
            warn(
                f"other programs use the cores (load {load:.1f} on {self._cores} cores). If they go on, the run may be "
                "faster with one thread: press Ctrl-C, set OMP_NUM_THREADS=1, and resume the run"
            )
