"""The files of a run that training writes: logs, samples and checkpoints. Only the first process writes them."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from seqforge.distribution.world import World
from seqforge.errors import RunError
from seqforge.evaluation.baseline import with_baselines
from seqforge.events import Evaluated, RunFinished, RunStarted, StepFinished
from seqforge.model.stack import map_states
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import record_end, record_start
from seqforge.runs.metrics_log import CHECKSUMS, SAMPLE, MetricsLog, write_samples
from seqforge.runs.training_state import TrainingState
from seqforge.storage.files import reported_failures
from seqforge.tasks.task import TaskSample


class RunRecord:
    """Writes the files of a run in the first process. In the others, its methods do nothing.

    Args:
        directory: The run directory. The machine of another process need not have it.
        world: The processes that train the run. All of them call `save` at the same steps.
        corpus: Digest of the encoded corpus.
    """

    def __init__(self, directory: RunDirectory, world: World, corpus: str, keep: int) -> None:
        self.checkpoints = Checkpoints(directory.checkpoints)
        self._directory = directory
        self._world = world
        self._corpus = corpus
        self._keep = keep
        self._log = MetricsLog(directory.metrics)
        with reported_failures(f"reading {directory.path}"):
            self._folder = directory.path.stat() if world.is_first else None

    def find(self, event: str, step: int) -> dict[str, Any] | None:
        """Return the line of an event at a step in the metrics log, or None if there is none; in every process."""
        line: dict[str, Any] | None = self._log.find(event, step) if self._world.is_first else None
        return self._world.broadcast(line)

    def truncate(self, step: int) -> None:
        """Delete the lines of the metrics log after a step, and record its new end, without which it looks damaged."""
        if self._world.is_first:
            self._log.truncate(step)
            with reported_failures(f"writing {self.checkpoints.folder}"):
                self.checkpoints.record_logs()

    def write_start(self, event: RunStarted, device: torch.device) -> None:
        """Record in the history that training starts."""
        if self._world.is_first:
            recorded = ("corpus", "parameters", "training_size", "validation_size", "units", "backends", "initial")
            values = {name: getattr(event, name) for name in recorded}
            record_start(self._directory.path, event.step, {**values, "device": str(device)})

    def write_end(self, event: RunFinished) -> None:
        """Record in the history that training ends."""
        if self._world.is_first and self._is_in_place():
            record_end(self._directory.path, event.step, event.reason, complete=event.complete, seconds=event.seconds)
            with contextlib.suppress(OSError, RunError):  # An error may have ended the training.
                self._log.sync()
                self.checkpoints.record_logs()

    def write_step(self, event: StepFinished) -> None:
        """Append a training step to the metrics log."""
        self._append("step", event.step, asdict(event))

    def write_evaluation(self, event: Evaluated, seconds: float) -> None:
        """Append an evaluation to the metrics log."""
        values = asdict(event)
        values |= values.pop("scores")
        values = {key: value for key, value in values.items() if value or key not in ("intervals", "summary")}
        self._append("evaluation", event.step, values | {"seconds": seconds})

    def write_sample(self, step: int, sample: TaskSample) -> None:
        """Write the samples of a step to files, and append their scores to the metrics log."""
        if self._world.is_first:
            self._check_place()
            checksums = write_samples(self._directory.samples, step, sample.texts)
            self._append(SAMPLE, step, {**with_baselines(sample.scores, sample.baseline), CHECKSUMS: checksums})

    def save(self, state: TrainingState, loss: float | None) -> None:
        """Write a checkpoint with the recurrent states of all processes, unless it exists, and delete older ones.

        The validation loss is None if the model was not evaluated.

        Raises:
            NonFiniteError: If a parameter is not finite.
            RunError: If the checkpoint cannot be written.
        """
        recurrent = [map_states(self._world.gather_rows, states) for states in state.recurrent]
        if self._world.is_first:
            self._check_place()
            self._log.sync()
            whole = replace(state, recurrent=recurrent)
            self.checkpoints.save(whole, self._corpus, loss, keep=self._keep)

    def _append(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        if self._world.is_first:
            self._check_place()
            self._log.append(event, step, values)

    def _check_place(self) -> None:
        """Check that the run directory is in its place. Another run may have its name by now.

        Raises:
            RunError: If it was deleted or moved.
        """
        if not self._is_in_place():
            raise RunError(
                f"{self._directory.path}: the run directory was deleted or moved while the run was trained",
                hint="If it was moved, resume the run from its new place.",
            )

    def _is_in_place(self) -> bool:
        with contextlib.suppress(OSError):
            return self._folder is not None and os.path.samestat(self._folder, self._directory.path.stat())
        return False
