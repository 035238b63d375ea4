"""The files of a checkpoint: parameters, optimizer state and recurrent state as safetensors, and the rest as JSON.

A checkpoint is a folder. Its files contain no pickle, and every value is checked before it is used.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic_core
import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, ValidationError
from torch import Tensor

from seqforge.checkpoints.optimizer_state import join_optimizer_state, split_optimizer_state
from seqforge.checkpoints.training_state import TrainingState
from seqforge.errors import RunError
from seqforge.experiment import Experiment
from seqforge.files import read_bounded, sync_folder, write_atomically
from seqforge.interfaces import Optimizer, State
from seqforge.model import SequenceModel, States

FORMAT_VERSION = 1
MODEL, TRAINING, PROGRESS = "model.safetensors", "training.safetensors", "progress.json"


class SavedProgress(BaseModel):
    """The content of `progress.json`.

    Attributes:
        version: Version of the checkpoint format.
        step: Number of optimizer steps done.
        seconds: Training time so far.
        best_loss: Lowest validation loss so far; None before the first evaluation.
        stale_evaluations: Number of evaluations since the lowest loss.
        schedule: State of the schedule.
        optimizer: Values of the optimizer state that are not tensors, by parameter and name.
        batches: Number of batches whose recurrent state is carried.
        rows: Number of rows in each of these batches.
        corpus: Digest of the encoded corpus.
    """

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    version: int
    step: NonNegativeInt
    seconds: NonNegativeFloat
    best_loss: float | None
    stale_evaluations: NonNegativeInt
    schedule: dict[str, Any]
    optimizer: dict[str, dict[str, bool | int | float | str | None]]
    batches: NonNegativeInt
    rows: NonNegativeInt
    corpus: str


def write_checkpoint(path: Path, state: TrainingState, corpus: str) -> None:
    """Write a checkpoint atomically, with torch's random state and the digest of the corpus.

    Raises:
        OSError: If the checkpoint cannot be written. Then no partial checkpoint is left.
    """
    moments, scalars = split_optimizer_state(state.optimizer)
    recurrent = {
        f"recurrent.{batch}.{layer}.{part}": tensor
        for batch, states in enumerate(state.recurrent)
        for layer, layer_state in enumerate(states)
        for part, tensor in enumerate(layer_state)
    }
    progress = SavedProgress(
        version=FORMAT_VERSION,
        step=state.step,
        seconds=state.seconds,
        best_loss=state.best_loss if state.best_loss < float("inf") else None,
        stale_evaluations=state.stale_evaluations,
        schedule=state.schedule.state(),
        optimizer=scalars,
        batches=len(state.recurrent),
        rows=state.recurrent[0][0][0].shape[0] if state.recurrent else 0,
        corpus=corpus,
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # A killed process with the same id may have left this folder; in containers, ids often repeat.
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        write_atomically(temporary / MODEL, serialize_tensors(state.model.state_dict()))
        write_atomically(temporary / TRAINING, serialize_tensors(moments | recurrent | random_state(state.device)))
        write_atomically(temporary / PROGRESS, progress.model_dump_json().encode())
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(path.parent)


def load_model(path: Path, model: SequenceModel) -> None:
    """Load the parameters of a checkpoint into a model.

    Raises:
        RunError: If the file is damaged, or its parameters are not those of the model.
    """
    stored = _read_tensors(path / MODEL)
    expected = model.state_dict()
    for name in sorted(stored.keys() ^ expected.keys()):
        owner = "the checkpoint" if name in stored else "the experiment's model"
        raise _other_experiment(path, f"{name} is only in {owner}")
    for name, tensor in expected.items():
        if stored[name].shape != tensor.shape:
            shapes = f"{list(stored[name].shape)} in the checkpoint and {list(tensor.shape)} in the experiment's model"
            raise _other_experiment(path, f"{name} is {shapes}")
    model.load_state_dict(stored)


def load_training(path: Path, state: TrainingState, experiment: Experiment, digest: str) -> None:
    """Load the training state and torch's random state, so that the run continues as if it had never stopped.

    Raises:
        RunError: If a file is damaged, or belongs to another experiment or corpus.
    """
    progress = read_progress(path)
    check_corpus(path, digest)
    load_model(path, state.model)
    tensors = _read_tensors(path / TRAINING)
    builder: Optimizer = experiment.optimizer.build()
    try:
        join_optimizer_state(state.optimizer, builder, tensors, progress.optimizer)
        state.schedule.restore(progress.schedule)
        state.recurrent = _recurrent(state, experiment.training.batch_size, tensors, progress)
        restore_random(tensors, state.device)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _other_experiment(path, str(error)) from error
    state.step = progress.step
    state.seconds = progress.seconds
    state.best_loss = float("inf") if progress.best_loss is None else progress.best_loss
    state.stale_evaluations = progress.stale_evaluations


def check_corpus(path: Path, digest: str) -> None:
    """Check that a checkpoint was trained on the corpus with a digest. Tokens of another corpus may mean other symbols.

    Raises:
        RunError: If the digest differs.
    """
    if read_progress(path).corpus != digest:
        raise RunError(
            f"{path}: the corpus is no longer the one that this run was trained on",
            hint="Restore the corpus, or start a new run. `seqforge sample` still works with this run.",
        )


def read_progress(checkpoint: Path) -> SavedProgress:
    """Read the `progress.json` of a checkpoint.

    Raises:
        RunError: If the file is damaged, or its format version is unknown.
    """
    file = checkpoint / PROGRESS
    try:
        content = read_bounded(file)
        version = pydantic_core.from_json(content)["version"]
        if version == FORMAT_VERSION:
            return SavedProgress.model_validate_json(content)
    except (OSError, ValidationError, ValueError, KeyError, TypeError) as error:
        raise _damaged(file, _first_line(error)) from error
    raise RunError(f"{file}: format version {version}; this program reads version {FORMAT_VERSION}")


def serialize_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors as the content of a safetensors file."""
    # Every tensor is cloned, because safetensors refuses tensors that share memory, as tied weights do.
    return safetensors.torch.save(
        {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    )


def _read_tensors(file: Path) -> dict[str, Tensor]:
    try:
        # torch aligns the memory of clones. Matrix products of unaligned tensors may differ in the last bit.
        return {name: tensor.clone() for name, tensor in safetensors.torch.load_file(file).items()}
    except (OSError, safetensors.SafetensorError) as error:
        raise _damaged(file, str(error)) from error


def _recurrent(
    state: TrainingState, batch_size: int, tensors: Mapping[str, Tensor], progress: SavedProgress
) -> list[States]:
    def restore(batch: int, layer: int, empty: State) -> State:
        parts = [tensors[f"recurrent.{batch}.{layer}.{part}"].to(state.device) for part in range(len(empty))]
        for part, expected in zip(parts, empty, strict=True):
            if part.shape != expected.shape or part.dtype != expected.dtype:
                raise ValueError(f"the recurrent state of layer {layer} is {list(part.shape)}, {part.dtype}")
        return type(empty)(*parts)

    if progress.step == 0 or not state.carried_batches:
        return []
    if (progress.batches, progress.rows) != (state.carried_batches, batch_size):
        raise ValueError(
            f"it has the recurrent states of {progress.batches} × {progress.rows} rows, and the experiment needs "
            f"{state.carried_batches} × {batch_size}"
        )
    template = state.model.initial_states(progress.rows)
    return [
        tuple(restore(batch, layer, empty) for layer, empty in enumerate(template)) for batch in range(progress.batches)
    ]


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's generators, which `restore_random` restores."""
    states = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random(tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore the state of torch's generators."""
    torch.set_rng_state(tensors["random.cpu"])
    if device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)


def _other_experiment(path: Path, reason: str) -> RunError:
    return RunError(
        f"{path}: the checkpoint is from another experiment: {reason}",
        hint="A checkpoint fits only the experiment.toml of its own run.",
    )


def _damaged(file: Path, reason: str) -> RunError:
    return RunError(f"{file}: damaged: {reason}", hint="Delete this folder, and use another checkpoint of the run.")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        detail = error.errors(include_url=False)[0]
        return f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"
    return str(error).partition("\n")[0]
