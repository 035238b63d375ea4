"""Checkpoints: safetensors and JSON, whole or not there."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from seqforge.errors import RunError
from seqforge.files import reported_failures, sync_folder, write_atomically
from seqforge.interfaces import State
from seqforge.model import SequenceModel, States
from seqforge.training.optimizer_state import join_optimizer_state, split_optimizer_state
from seqforge.training.state import TrainingState

FORMAT_VERSION = 1
MODEL, TRAINING, PROGRESS, BEST = "model.safetensors", "training.safetensors", "progress.json", "best.json"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of a run: the last few, and the best.

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
            best = json.loads((self.folder / BEST).read_text(encoding="utf-8"))
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

    def save(self, state: TrainingState, corpus: str, *, best: bool = False, keep: int) -> Path:
        """Write a checkpoint, then drop those that are no longer kept.

        Args:
            state: What is saved, with torch's random state.
            corpus: Identifies the encoded corpus, so that a run is not resumed on another.
            best: Whether `state.best_loss` is this step's.
            keep: How many of the latest to keep.

        Returns:
            Its folder.

        Raises:
            RunError: Where it cannot be written, as on a full disk; the checkpoints before it are untouched.
        """
        path = self.path(state.step)
        before = self.steps()
        consequence = f"The last whole checkpoint is {self.path(before[-1])}." if before else "None was written yet."
        with reported_failures(f"writing the checkpoint {path}", consequence):
            if not path.exists():
                _write(path, state, corpus)
            if best:
                write_atomically(self.folder / BEST, json.dumps({"step": state.step, "loss": state.best_loss}).encode())
            kept = {*self.steps()[-keep:], *(self.best() or ())}
            for step in self.steps():
                if step not in kept:
                    shutil.rmtree(self.path(step))
        return path


def load_model(path: Path, model: SequenceModel) -> None:
    """Load parameters into a model.

    Args:
        path: A checkpoint's folder.
        model: Built from the run's experiment, on any device.

    Raises:
        RunError: Where the file is damaged, or from another experiment.
    """
    stored = _read_tensors(path / MODEL)
    expected = model.state_dict()
    for name in sorted(stored.keys() ^ expected.keys()):
        where = "only in the checkpoint" if name in stored else "only in the experiment's model"
        raise _foreign(path, f"{name} is {where}")
    for name, tensor in expected.items():
        if stored[name].shape != tensor.shape:
            shapes = f"{list(stored[name].shape)} in the checkpoint and {list(tensor.shape)} in the experiment's model"
            raise _foreign(path, f"{name} is {shapes}")
    model.load_state_dict(stored)


def load_training(path: Path, state: TrainingState, corpus: str) -> None:
    """Load everything that a run needs to go on as if it had never stopped, torch's random state included.

    Args:
        path: A checkpoint's folder.
        state: As `initial_state` made it; renewed in place.
        corpus: Identifies the encoded corpus.

    Raises:
        RunError: Where a file is damaged, or from another experiment or corpus.
    """
    progress = read_progress(path)
    check_corpus(path, corpus)
    load_model(path, state.model)
    tensors = _read_tensors(path / TRAINING)
    device = next(state.model.parameters()).device
    try:
        join_optimizer_state(state.optimizer, tensors, progress["optimizer"])
        state.schedule.restore(progress["schedule"])
        state.recurrent = _recurrent(state.model, tensors, progress["batches"], progress["rows"], device)
        state.step = int(progress["step"])
        state.seconds = float(progress["seconds"])
        state.best_loss = float("inf") if progress["best_loss"] is None else float(progress["best_loss"])
        state.stale_evaluations = int(progress["stale_evaluations"])
        _restore_random(tensors)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _foreign(path, str(error)) from error


def check_corpus(path: Path, corpus: str) -> None:
    """Refuse a corpus that a checkpoint was not trained on: its text, and the meaning of its tokens, may be others.

    Args:
        path: A checkpoint's folder.
        corpus: Identifies the encoded corpus.

    Raises:
        RunError: Where it is another.
    """
    if read_progress(path)["corpus"] != corpus:
        raise RunError(
            f"{path}: the corpus is no longer the one that this run was trained on",
            hint="Restore the corpus, or start a new run; `seqforge sample` still works with this one.",
        )


def read_progress(path: Path) -> dict[str, Any]:
    """Read a checkpoint's `progress.json`.

    Args:
        path: A checkpoint's folder.

    Raises:
        RunError: Where it is damaged, or of a version that this program does not know.
    """
    file = path / PROGRESS
    try:
        progress: Any = json.loads(file.read_text(encoding="utf-8"))
        version = progress["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file}: damaged: {error}", hint="Use another checkpoint of the run.") from error
    if version != FORMAT_VERSION:
        raise RunError(f"{file}: version {version}; this program knows version {FORMAT_VERSION}")
    return cast("dict[str, Any]", progress)


def _write(path: Path, state: TrainingState, corpus: str) -> None:
    optimizer_tensors, optimizer_rest = split_optimizer_state(state.optimizer)
    recurrent = {
        f"recurrent.{batch}.{layer}.{part}": tensor
        for batch, states in enumerate(state.recurrent)
        for layer, layer_state in enumerate(states)
        for part, tensor in enumerate(layer_state)
    }
    progress = {
        "version": FORMAT_VERSION,
        "step": state.step,
        "seconds": state.seconds,
        "best_loss": state.best_loss if state.best_loss < float("inf") else None,
        "stale_evaluations": state.stale_evaluations,
        "schedule": state.schedule.state(),
        "optimizer": optimizer_rest,
        "batches": len(state.recurrent),
        "rows": state.recurrent[0][0][0].shape[0] if state.recurrent else 0,
        "corpus": corpus,
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        write_atomically(temporary / MODEL, _serialized(state.model.state_dict()))
        write_atomically(temporary / TRAINING, _serialized(optimizer_tensors | recurrent | _random_state()))
        write_atomically(temporary / PROGRESS, json.dumps(progress).encode())
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(path.parent)


def _serialized(tensors: dict[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def _read_tensors(file: Path) -> dict[str, Tensor]:
    try:
        # Copies, because torch aligns its own memory: products of unaligned tensors may differ in the last bit.
        return {name: tensor.clone() for name, tensor in safetensors.torch.load_file(file).items()}
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f"{file}: damaged: {error}", hint="Use another checkpoint of the run.") from error


def _recurrent(
    model: SequenceModel, tensors: dict[str, Tensor], batches: int, rows: int, device: torch.device
) -> list[States]:
    def restored(batch: int, layer: int, empty: State) -> State:
        parts = [tensors[f"recurrent.{batch}.{layer}.{part}"].to(device) for part in range(len(empty))]
        if [part.shape for part in parts] != [part.shape for part in empty]:
            raise ValueError(f"the recurrent state of layer {layer} has other shapes")
        return type(empty)(*parts)

    if not batches:
        return []
    template = model.initial_states(rows)
    return [tuple(restored(batch, layer, empty) for layer, empty in enumerate(template)) for batch in range(batches)]


def _random_state() -> dict[str, Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"random.cuda.{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _restore_random(tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["random.cpu"])
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            if f"random.cuda.{index}" in tensors:
                torch.cuda.set_rng_state(tensors[f"random.cuda.{index}"], index)


def _foreign(path: Path, reason: str) -> RunError:
    return RunError(
        f"{path}: from another experiment: {reason}",
        hint="A checkpoint goes only with the experiment.toml of its own run.",
    )
