"""Checkpoints: whole or not there; the best and the last few are kept."""

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
        folder: Holds a folder `step-00000000` for each, and `best.json`.
    """

    folder: Path

    def steps(self) -> list[int]:
        """List the steps that have a checkpoint, ascending."""
        found = (path.name.removeprefix("step-") for path in self.folder.glob("step-*"))
        return sorted(int(step) for step in found if step.isdecimal())

    def best(self) -> tuple[int, float] | None:
        """Give step and validation loss of the best, or None where nothing was evaluated."""
        try:
            best = read_json(self.folder / BEST)
            return int(best["step"]), float(best["loss"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def path(self, step: int) -> Path:
        """Give a checkpoint's folder.

        Args:
            step: Optimizer steps done.
        """
        return self.folder / f"step-{step:08d}"

    def find(self, wanted: str) -> Path:
        """Find a checkpoint.

        Args:
            wanted: "latest", "best" (the latest where nothing was evaluated), or a step.

        Raises:
            RunError: Where there is no such checkpoint.
        """
        steps = self.steps()
        if not steps:
            raise RunError(f"{self.folder}: holds no checkpoint", hint="The run stopped before its first one.")
        if wanted == "latest":
            return self.path(steps[-1])
        if wanted == "best":
            best = self.best()
            return self.path(best[0] if best and best[0] in steps else steps[-1])
        if wanted.isdecimal() and int(wanted) in steps:
            return self.path(int(wanted))
        known = ", ".join(str(step) for step in steps)
        raise RunError(f"{self.folder}: no checkpoint {wanted!r}", hint=f"There are: latest, best, {known}.")

    def save(self, state: TrainingState, corpus: str, *, best: bool = False, keep: int) -> None:
        """Write a checkpoint, then drop those that are no longer kept.

        Args:
            state: What is saved, with torch's random state.
            corpus: The digest of the tokens, so that a run is not resumed on others.
            best: Whether `state.best_loss` is this step's.
            keep: How many of the latest to keep.

        Raises:
            NonFiniteError: Where a parameter is not finite; nothing is then written or dropped.
            RunError: Where it cannot be written, as on a full disk; the checkpoints before it are untouched.
        """
        if not all(bool(torch.isfinite(parameter).all()) for parameter in state.model.parameters()):
            raise NonFiniteError("a parameter is infinite or not a number")
        path = self.path(state.step)
        before = self.steps()
        consequence = f"The last whole checkpoint is {self.path(before[-1])}." if before else "None was written yet."
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
        """Drop the checkpoints after a step, and what a killed process left: a run goes on from there.

        Args:
            step: The step that is gone on from.
        """
        with reported_failures(f"dropping later checkpoints of {self.folder}"):
            for later in self.steps():
                if later > step:
                    shutil.rmtree(self.path(later))
            best = self.best()
            if best is not None and best[0] > step:
                (self.folder / BEST).unlink()
            for abandoned in self.folder.glob(".step-*.tmp"):
                shutil.rmtree(abandoned)
