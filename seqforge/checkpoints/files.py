"""A checkpoint's files: parameters, everything else that changes, and plain values; written and read."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from seqforge.checkpoints.optimizer_state import join_optimizer_state, split_optimizer_state
from seqforge.checkpoints.progress_file import FORMAT_VERSION, PROGRESS, SavedProgress, read_progress
from seqforge.checkpoints.training_state import TrainingState
from seqforge.errors import RunError
from seqforge.experiment import Experiment
from seqforge.files import sync_folder, write_atomically
from seqforge.interfaces import Optimizer, State
from seqforge.model import SequenceModel, States

MODEL, TRAINING = "model.safetensors", "training.safetensors"


def write_checkpoint(path: Path, state: TrainingState, corpus: str) -> None:
    """Write a checkpoint under a temporary name, and rename it into place.

    Args:
        path: The folder it becomes.
        state: What is saved, with torch's random state.
        corpus: The digest of the tokens.

    Raises:
        OSError: Where it cannot be written; nothing is then left behind.
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
    # Left behind by a process that was killed, and in a container had the number that is now ours.
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        write_atomically(temporary / MODEL, _serialized(state.model.state_dict()))
        write_atomically(temporary / TRAINING, _serialized(moments | recurrent | _random_state(state.device)))
        write_atomically(temporary / PROGRESS, progress.encoded())
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(path.parent)


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


def load_training(path: Path, state: TrainingState, experiment: Experiment, digest: str) -> None:
    """Load everything that a run needs to go on as if it had never stopped, torch's random state included.

    Args:
        path: A checkpoint's folder.
        state: As `initial_state` made it; renewed in place.
        experiment: The run's.
        digest: Digest of the corpus.

    Raises:
        RunError: Where a file is damaged, or from another experiment or corpus.
    """
    progress = read_progress(path)
    check_corpus(path, digest)
    load_model(path, state.model)
    tensors = _read_tensors(path / TRAINING)
    chosen: Optimizer = experiment.optimizer.build()
    try:
        join_optimizer_state(state.optimizer, chosen, tensors, progress.optimizer)
        state.schedule.restore(progress.schedule)
        state.recurrent = _recurrent(state, experiment, tensors, progress)
        _restore_random(tensors, state.device)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _foreign(path, str(error)) from error
    state.step = progress.step
    state.seconds = progress.seconds
    state.best_loss = float("inf") if progress.best_loss is None else progress.best_loss
    state.stale_evaluations = progress.stale_evaluations


def check_corpus(path: Path, digest: str) -> None:
    """Refuse a corpus that a checkpoint was not trained on: its text, and the meaning of its tokens, may be others.

    Args:
        path: A checkpoint's folder.
        digest: Digest of the corpus.

    Raises:
        RunError: Where it is another.
    """
    if read_progress(path).corpus != digest:
        raise RunError(
            f"{path}: the corpus is no longer the one that this run was trained on",
            hint="Restore the corpus, or start a new run; `seqforge sample` still works with this one.",
        )


def _serialized(tensors: Mapping[str, Tensor]) -> bytes:
    # Clones, because two names may share memory (tied weights), which the format refuses.
    return safetensors.torch.save(
        {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    )


def _read_tensors(file: Path) -> dict[str, Tensor]:
    try:
        # Copies, because torch aligns its own memory: products of unaligned tensors may differ in the last bit.
        return {name: tensor.clone() for name, tensor in safetensors.torch.load_file(file).items()}
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(
            f"{file}: damaged: {error}", hint="Use another checkpoint of the run, or delete this one's folder."
        ) from error


def _recurrent(
    state: TrainingState, experiment: Experiment, tensors: Mapping[str, Tensor], progress: SavedProgress
) -> list[States]:
    def restored(batch: int, layer: int, empty: State) -> State:
        parts = [tensors[f"recurrent.{batch}.{layer}.{part}"].to(state.device) for part in range(len(empty))]
        for part, expected in zip(parts, empty, strict=True):
            if part.shape != expected.shape or part.dtype != expected.dtype:
                raise ValueError(f"the recurrent state of layer {layer} is {list(part.shape)}, {part.dtype}")
        return type(empty)(*parts)

    training = experiment.training
    if progress.step == 0 or experiment.labelled:
        return []
    if (progress.batches, progress.rows) != (training.accumulation, training.batch_size):
        raise ValueError(
            f"it holds {progress.batches} × {progress.rows} recurrent states, and the experiment has "
            f"{training.accumulation} × {training.batch_size}"
        )
    template = state.model.initial_states(progress.rows)
    return [
        tuple(restored(batch, layer, empty) for layer, empty in enumerate(template))
        for batch in range(progress.batches)
    ]


def _random_state(device: torch.device) -> dict[str, Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    return states


def _restore_random(tensors: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(tensors["random.cpu"])
    if device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)


def _foreign(path: Path, reason: str) -> RunError:
    return RunError(
        f"{path}: from another experiment: {reason}",
        hint="A checkpoint goes only with the experiment.toml of its own run.",
    )
