"""The checkpoints of a run. Each is written atomically; the best and the latest are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seqforge.errors import NonFiniteError, RunError
from seqforge.runs.checkpoint_files import write_checkpoint
from seqforge.runs.metrics_log import describe_logs
from seqforge.runs.training_state import TrainingState
from seqforge.runs.verification import CheckpointManifest, run_folder, step_folders, verify_checkpoint
from seqforge.storage.files import describe_failure, reported_failures
from seqforge.storage.folders import discard_folder
from seqforge.storage.records import MANIFEST


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of a run.

    Attributes:
        folder: Folder that contains a folder `step-00000000` for each checkpoint.
    """

    folder: Path

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, in ascending order.

        Raises:
            RunError: If the folder cannot be read.
        """
        return list(step_folders(self.folder))

    def best(self) -> tuple[int, float] | None:
        """Return the step and the validation loss of the best checkpoint, or None before the first evaluation.

        Checkpoints whose manifest is damaged do not count.
        """
        losses = {step: loss for step in self.steps() if (loss := self.loss(step)) is not None}
        if not losses:
            return None
        best = min(losses, key=lambda step: (losses[step], step))
        return best, losses[best]

    def loss(self, step: int) -> float | None:
        """Return the validation loss of a checkpoint; None if it was not evaluated, or its manifest is damaged."""
        manifest = self._manifest(step)
        return manifest.loss if manifest is not None else None

    def _manifest(self, step: int) -> CheckpointManifest | None:
        try:
            return verify_checkpoint(self.path(step))
        except RunError:
            return None

    def path(self, step: int) -> Path:
        """Return the folder of a checkpoint."""
        return self.folder / f"step-{step:08d}"

    def find(self, name: str | int) -> Path:
        """Return the folder of a checkpoint: "latest", "best" (the latest if none was evaluated), or a step.

        Raises:
            RunError: If there is no such checkpoint, or if the best one cannot be determined.
        """
        steps = self.steps()
        if not steps:
            hint = "A run saves its first checkpoint at training.checkpoint_interval or when it ends, also with Ctrl-C."
            raise RunError(f"{self.folder}: there is no checkpoint", hint=hint)
        if name == "latest":
            return self.path(steps[-1])
        if name == "best":
            for step in steps:  # The best checkpoint may be one whose manifest is damaged.
                verify_checkpoint(self.path(step))
            best = self.best()
            return self.path(best[0] if best else steps[-1])
        text = str(name)
        if text.isdecimal() and len(text) < 20 and int(text) in steps:
            return self.path(int(text))
        known = ", ".join(str(step) for step in steps)
        raise RunError(f"{self.folder}: no checkpoint {name!r}", hint=f"Available: latest, best, {known}.")

    def save(
        self,
        state: TrainingState,
        corpus: str,
        loss: float | None = None,
        *,
        keep: int,
    ) -> None:
        """Write a checkpoint unless it exists, and delete all checkpoints except the best and the `keep` latest.

        Args:
            state: Training state to save.
            corpus: Digest of the encoded corpus. The run can be resumed only on a corpus with the same digest.
            loss: Validation loss of the model, which is recorded also if the checkpoint exists; None if unknown.
            keep: Number of latest checkpoints to keep.

        Raises:
            NonFiniteError: If a parameter is not finite. Then nothing is written or deleted.
            RunError: If the checkpoint cannot be written, for example because the disk is full. Then earlier
                checkpoints are kept.
        """
        if not all(bool(torch.isfinite(parameter).all()) for parameter in state.model.parameters()):
            raise NonFiniteError("a parameter is infinite or not a number")
        path = self.path(state.step)
        try:
            if state.step not in self.steps():
                write_checkpoint(path, state, corpus, loss)
            elif loss is not None and self.loss(state.step) != loss:
                self._update_manifest(state.step, {"loss": loss})
            for step in self.superfluous(keep):
                discard_folder(self.path(step))
        except OSError as error:
            complete = self.steps()
            last = (
                f"The last complete checkpoint is {self.path(complete[-1])}." if complete else "There is no checkpoint."
            )
            raise describe_failure(error, f"writing the checkpoint {path}", last) from error

    def record_logs(self) -> None:
        """Record the last lines of the logs in the manifest of the latest checkpoint, so that their loss is noticed.

        Raises:
            RunError: If the manifest is damaged.
            OSError: If it cannot be written.
        """
        for step in self.steps()[-1:]:
            self._update_manifest(step, {})

    def _update_manifest(self, step: int, values: Mapping[str, Any]) -> None:
        path = self.path(step)
        logs = describe_logs(run_folder(path))
        verify_checkpoint(path).model_copy(update={**values, "logs": logs}).write(path / MANIFEST)

    def superfluous(self, keep: int) -> list[int]:
        """Return the steps of all checkpoints except the best, the `keep` latest, and those with a damaged manifest."""
        best = self.best()
        others = [step for step in self.steps()[:-keep] if best is None or step != best[0]]
        return [step for step in others if self._manifest(step) is not None]

    def drop_after(self, step: int) -> None:
        """Delete the checkpoints after a step."""
        with reported_failures(f"deleting later checkpoints of {self.folder}"):
            for later in self.steps():
                if later > step:
                    discard_folder(self.path(later))
