"""The memory that the processes of one launch share, also across restarts of the processes."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from torch import distributed
from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

PATIENCE = timedelta(seconds=2)
"""Time for which a process waits for the first one to report an error that both have."""


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

    def remember_run(self, path: Path) -> None:
        """Store the run directory of this training, which a restarted process resumes."""
        self.store.set(self._run_key, str(path.absolute()))

    def recall_run(self) -> Path | None:
        """Return the run directory that this training has used before a restart, or None."""
        return Path(self.store.get(self._run_key).decode()) if self.store.check([self._run_key]) else None

    def claim_report(self) -> bool:
        """Return whether this process is the one that reports a failure, of which every process may notice its part.

        It is the first process if that one fails, too, and otherwise the process that fails first.
        """
        prefix = f"seqforge/attempt-{self.attempt}/training-{self.training}"
        # The store may be gone: then its machine has failed, and this process reports what it knows.
        with suppress(RuntimeError):
            if self.rank:
                with suppress(distributed.DistStoreError):
                    self.store.wait([f"{prefix}/first-failed"], PATIENCE)
            else:
                self.store.set(f"{prefix}/first-failed", "")
            return self.store.add(f"{prefix}/failures", 1) == 1
        return True
