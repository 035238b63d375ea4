"""The key-value store that the processes of one launch share. It outlives restarts of the processes."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

PATIENCE = timedelta(seconds=5)
"""Time for which a process waits for another one that may report the same failure."""

_PAUSE = 0.05
"""Seconds between two looks at the store."""


@dataclass(frozen=True, slots=True)
class Launch:
    """The key-value store of a launch, which `torchrun` keeps while it restarts its processes.

    Attributes:
        store: Client of the store.
        rank: Number of this process.
        attempt: Number of restarts before this start.
        training: Number of trainings that this process started before, from 0: a program may train several models.
    """

    store: Store
    rank: int
    attempt: int
    training: int

    @property
    def _run_key(self) -> str:
        return f"seqforge/training-{self.training}/run"

    @property
    def _attempt_key(self) -> str:
        return f"seqforge/attempt-{self.attempt}/training-{self.training}"

    def remember_run(self, path: Path) -> None:
        """Store the run directory of this training, which a restarted process resumes."""
        self.store.set(self._run_key, str(path.absolute()))

    def recall_run(self) -> Path | None:
        """Return the run directory that this training has used before a restart, or None."""
        return Path(self.store.get(self._run_key).decode()) if self.store.check([self._run_key]) else None

    def has_failed(self) -> bool:
        """Return whether a process has reported an error, so that torchrun ends the others."""
        with suppress(RuntimeError):
            return self.store.check([f"{self._attempt_key}/failures"])
        return True

    def wait_for(self, place: str, count: int, *, arrive: bool, timeout: timedelta) -> None:
        """Wait until a number of processes, of which this may be one, have arrived at a place in the program.

        Raises:
            TimeoutError: If too few processes arrive before the timeout, or if another process fails.
        """
        key = f"{self._attempt_key}/arrived/{place}"
        try:
            self.store.add(key, int(arrive))
            self._wait_until(lambda: self.store.add(key, 0) >= count or self.has_failed(), timeout)
            arrived = self.store.add(key, 0)
        except RuntimeError as error:  # The process that kept the store has ended.
            raise TimeoutError from error
        if arrived < count:
            raise TimeoutError

    def report(self, show: Callable[[], None], *, is_cause: bool = True) -> None:
        """Call a function that shows an error, in one process only. Every process that fails calls this method.

        The error is shown by the first process (rank 0) if it fails, and otherwise by the process that fails first.
        The others wait until it is shown, because torchrun ends all processes as soon as one has ended. A process that
        stops because a computation failed in another process is not the cause.
        """
        prefix = self._attempt_key
        try:
            if self.rank != 0:
                self._wait(f"{prefix}/first-failed")
            shows = is_cause and self.store.add(f"{prefix}/failures", 1) == 1
            if self.rank == 0:  # only now, since another process that sees this counts its own failure at once
                self.store.set(f"{prefix}/first-failed", "")
        except RuntimeError:  # The store cannot be reached. This process shows its own error.
            shows = True
        if shows:
            show()
        with suppress(RuntimeError):
            if shows:
                self.store.set(f"{prefix}/shown", "")
            else:
                self._wait(f"{prefix}/shown")

    def _wait(self, key: str) -> None:
        with suppress(TimeoutError):
            self._wait_until(lambda: self.store.check([key]), PATIENCE)

    def _wait_until(self, condition: Callable[[], bool], timeout: timedelta) -> None:
        """Wait until a condition holds. A signal interrupts it, as it does not interrupt the waiting of torch.

        The time is counted in looks at the store, because a suspended or overloaded machine also delays the process
        that is waited for.

        Raises:
            TimeoutError: If the condition does not hold after the timeout.
        """
        for _ in range(math.ceil(timeout.total_seconds() / _PAUSE)):
            if condition():
                return
            time.sleep(_PAUSE)
        raise TimeoutError
