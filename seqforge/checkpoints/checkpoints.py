"""The checkpoints of a run. Each is written atomically; the best and the latest are kept."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from seqforge.checkpoints.files import write_checkpoint
from seqforge.checkpoints.training_state import TrainingState
from seqforge.errors import NonFiniteError, RunError
from seqforge.files import read_json, reported_failures, write_atomically

BEST = "best.json"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of a run.

    Attributes:
        folder: Folder that contains a folder `step-00000000` for each checkpoint, and `best.json`.
    """

    folder: Path

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, in ascending order."""
        names = (path.name.removeprefix("step-") for path in self.folder.glob("step-*"))
        return sorted(int(name) for name in names if name.isdecimal())

    def best(self) -> tuple[int, float] | None:
        """Return the step and the validation loss of the best checkpoint, or None before the first evaluation."""
        try:
            best = read_json(self.folder / BEST)
            return int(best["step"]), float(best["loss"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def path(self, step: int) -> Path:
        """Return the folder of a checkpoint."""
        return self.folder / f"step-{step:08d}"

    def find(self, name: str) -> Path:
        """Return the folder of a checkpoint: "latest", "best" (the latest if none was evaluated), or a step.

        Raises:
            RunError: If there is no such checkpoint.
        """
        steps = self.steps()
        if not steps:
            raise RunError(f"{self.folder}: there is no checkpoint", hint="The run stopped before the first one.")
        if name == "latest":
            return self.path(steps[-1])
        if name == "best":
            best = self.best()
            return self.path(best[0] if best and best[0] in steps else steps[-1])
        if name.isdecimal() and int(name) in steps:
            return self.path(int(name))
        known = ", ".join(str(step) for step in steps)
        raise RunError(f"{self.folder}: no checkpoint {name!r}", hint=f"Available: latest, best, {known}.")

    def save(self, state: TrainingState, corpus: str, *, best: bool = False, keep: int) -> None:
        """Write a checkpoint, then delete all checkpoints except the best and the `keep` latest.

        Args:
            state: Training state to save.
            corpus: Digest of the encoded corpus. The run can be resumed only on a corpus with the same digest.
            best: Whether the validation loss is the lowest so far.
            keep: Number of latest checkpoints to keep.

        Raises:
            NonFiniteError: If a parameter is not finite. Then nothing is written or deleted.
            RunError: If the checkpoint cannot be written, for example because the disk is full. Then earlier
                checkpoints are kept.
        """
        if not all(bool(torch.isfinite(parameter).all()) for parameter in state.model.parameters()):
            raise NonFiniteError("a parameter is infinite or not a number")
        path = self.path(state.step)
        before = self.steps()
        consequence = (
            f"The last complete checkpoint is {self.path(before[-1])}." if before else "The run has no checkpoint."
        )
        with reported_failures(f"writing the checkpoint {path}", consequence):
            if not path.exists():
                write_checkpoint(path, state, corpus)
            if best:
                write_atomically(self.folder / BEST, json.dumps({"step": state.step, "loss": state.best_loss}).encode())
            kept_best = self.best()
            for step in self.steps()[:-keep]:
                if kept_best is None or step != kept_best[0]:
                    shutil.rmtree(self.path(step))

    def drop_after(self, step: int) -> None:
        """Delete the checkpoints after a step, and temporary folders that killed processes left."""
        with reported_failures(f"deleting later checkpoints of {self.folder}"):
            for later in self.steps():
                if later > step:
                    shutil.rmtree(self.path(later))
            best = self.best()
            if best is not None and best[0] > step:
                (self.folder / BEST).unlink()
            for abandoned in self.folder.glob(".step-*.tmp"):
                shutil.rmtree(abandoned)
