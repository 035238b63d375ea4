"""The files of a checkpoint: parameters, optimizer state and recurrent state as safetensors, and the rest as JSON.

A checkpoint is a folder. Its files contain no pickle, and every value is checked before it is used.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import safetensors
import safetensors.torch
import torch
from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt
from torch import Tensor

from seqforge.component_state import LARGEST_NUMBER, check_numbers, checked_state
from seqforge.errors import RunError
from seqforge.experiment.experiment import Experiment
from seqforge.hardware import read_random_state, restore_random_state
from seqforge.kinds import Optimizer, State
from seqforge.model.recomputation import States
from seqforge.model.sequence_model import SequenceModel
from seqforge.runs.metrics_log import describe_logs
from seqforge.runs.training_state import (
    Scalars,
    TrainingState,
    averaged_model,
    exchange_weights,
    join_optimizer_state,
    split_optimizer_state,
)
from seqforge.runs.verification import (
    RUN_FILES,
    CheckpointManifest,
    damaged,
    run_folder,
    step_of,
    verify_checkpoint,
)
from seqforge.storage.folders import create_folder
from seqforge.storage.records import MANIFEST, DamagedFileError, Record, describe_content, describe_files

MODEL, TRAINING, PROGRESS = "model.safetensors", "training.safetensors", "progress.json"


class SavedProgress(Record):
    """The content of `progress.json`.

    Attributes:
        step: Number of optimizer steps done.
        seconds: Training time so far.
        best_loss: Lowest validation loss so far; None before the first evaluation.
        stale_evaluations: Number of evaluations since the lowest loss.
        averaged_steps: Number of steps whose weights the model averages; 0 if it has the weights that were trained.
        schedule: State of the schedule.
        optimizer: Values of the optimizer state that are not tensors, by parameter and name.
        batches: Number of batches whose recurrent state is carried.
        corpus: Digest of the encoded corpus.
    """

    VERSION = 1

    step: Annotated[NonNegativeInt, Field(le=LARGEST_NUMBER)]
    seconds: NonNegativeFloat
    best_loss: float | None
    stale_evaluations: NonNegativeInt
    averaged_steps: NonNegativeInt = 0
    schedule: Annotated[dict[str, Any], AfterValidator(check_numbers)]
    optimizer: Annotated[Scalars, AfterValidator(check_numbers)]
    batches: NonNegativeInt
    corpus: str


def write_checkpoint(path: Path, state: TrainingState, corpus: str, loss: float | None) -> None:
    """Write a new checkpoint atomically, with torch's random state and the digest of the encoded corpus.

    The validation loss is None if the model was not evaluated.

    Raises:
        OSError: If the checkpoint cannot be written. Then no partial checkpoint is left.
        PluginError: If the state of the optimizer or the schedule has a value that a checkpoint cannot hold.
    """
    moments, scalars = split_optimizer_state(state.optimizer)
    recurrent = {
        f"recurrent.{batch}.{layer}.{part}": tensor
        for batch, states in enumerate(state.recurrent)
        for layer, layer_state in enumerate(states)
        for part, tensor in enumerate(layer_state)
    }
    progress = SavedProgress(
        step=state.step,
        seconds=state.seconds,
        best_loss=state.best_loss if state.best_loss < float("inf") else None,
        stale_evaluations=state.stale_evaluations,
        averaged_steps=state.averaged_steps,
        schedule=checked_state(state.schedule.state),
        optimizer=scalars,
        batches=len(state.recurrent),
        corpus=corpus,
    )
    with averaged_model(state):  # Training continues from the weights, which are then in the place of their average.
        trained = {f"trained.{index}": weight for index, weight in enumerate(state.average)}
        contents = {
            MODEL: serialize_tensors(state.model.state_dict()),
            TRAINING: serialize_tensors(moments | recurrent | trained | read_random_state(state.device)),
            PROGRESS: progress.to_bytes(),
        }
    _write_folder(path, contents, loss)


_UNTRAINED: Mapping[str, Any] = {"schedule": {}, "optimizer": {}, "batches": 0}
"""The progress of weights without the state that only training needs."""


def write_weights(path: Path, model: SequenceModel) -> None:
    """Write a folder with only the parameters of a model that seqforge has not trained yet.

    Raises:
        OSError: If the folder cannot be written.
    """
    progress = SavedProgress(step=0, seconds=0.0, best_loss=None, stale_evaluations=0, corpus="", **_UNTRAINED)
    _write_folder(path, {MODEL: serialize_tensors(model.state_dict()), PROGRESS: progress.to_bytes()}, None)


def export_weights(source: Path, model: SequenceModel, target: Path, dtype: torch.dtype) -> int:
    """Write the parameters of a checkpoint in another type, without the state that only training needs.

    The target is a new folder of another run directory, and the model that of the checkpoint.

    Returns:
        The number of parameters.

    Raises:
        RunError: If the checkpoint is damaged.
        OSError: If the folder cannot be written.
    """
    progress = read_progress(source).model_copy(update=_UNTRAINED)  # The rest names the step and the corpus.
    tensors = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in model.state_dict().items()
    }
    contents = {MODEL: serialize_tensors(tensors), PROGRESS: progress.to_bytes()}
    _write_folder(target, contents, verify_checkpoint(source).loss)
    return sum(parameter.numel() for parameter in model.parameters())


def is_exported(checkpoint: Path) -> bool:
    """Return whether a checkpoint was written by `export_weights`, so that training cannot be resumed from it.

    Raises:
        RunError: If its manifest is damaged.
    """
    return TRAINING not in verify_checkpoint(checkpoint).files


def _write_folder(path: Path, contents: Mapping[str, bytes], loss: float | None) -> None:
    """Write a folder of files in a run directory, with their manifest."""
    run = run_folder(path)
    manifest = CheckpointManifest(
        step=step_of(path),
        loss=loss,
        files={name: describe_content(content) for name, content in contents.items()},
        run=describe_files(run / name for name in RUN_FILES if (run / name).exists()),
        logs=describe_logs(run),
    )

    def fill(folder: Path) -> None:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        manifest.write(folder / MANIFEST)

    create_folder(path, fill)


def load_model(path: Path, model: SequenceModel) -> None:
    """Load the parameters of a checkpoint into a model.

    Raises:
        RunError: If the file, or a file of the run on which its meaning depends, is damaged; or if its parameters are
            not those of the model.
    """
    verify_checkpoint(path, [MODEL])
    stored = _read_tensors(path / MODEL)
    expected = model.state_dict()
    for name in sorted(stored.keys() ^ expected.keys()):
        owner = "the checkpoint" if name in stored else "the experiment's model"
        raise _other_experiment(path, f"{name} is only in {owner}")
    for name, tensor in expected.items():
        if stored[name].shape != tensor.shape:
            shapes = f"{list(stored[name].shape)} in the checkpoint and {list(tensor.shape)} in the experiment's model"
            raise _other_experiment(path, f"{name} is {shapes}")
    try:
        model.load_state_dict(stored)
    except RuntimeError as error:  # torch cannot convert every type that safetensors can store
        raise damaged(path, path / MODEL, f"damaged: {error}") from error


def load_training(path: Path, state: TrainingState, experiment: Experiment, digest: str) -> None:
    """Load the training state and torch's random state, so that the run continues as if it had never stopped.

    Raises:
        RunError: If a file is damaged, or belongs to another experiment or corpus.
    """
    verify_checkpoint(path, [TRAINING])  # The functions that read the other files verify them.
    progress = read_progress(path)
    check_corpus(path, digest)
    load_model(path, state.model)
    tensors = _read_tensors(path / TRAINING)
    builder: Optimizer = experiment.optimizer.build()
    try:
        join_optimizer_state(state.optimizer, builder, state.model.named_parameters(), tensors, progress.optimizer)
        state.schedule.restore(progress.schedule)
        state.averaged_steps = progress.averaged_steps
        if state.averaged_steps:
            state.average = [tensors[f"trained.{index}"].to(state.device) for index in range(len(state.parameters))]
            exchange_weights(state)
        state.recurrent = _recurrent(state, experiment.training.batch_size, tensors, progress)
        restore_random_state(tensors, state.device)
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RuntimeError) as error:
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
            hint="Restore the corpus, or start a new run. The run can still be sampled, and `Run.probabilities` in "
            "Python scores any other text with a language model.",
        )


def read_progress(checkpoint: Path) -> SavedProgress:
    """Read the `progress.json` of a checkpoint.

    Raises:
        RunError: If the file is damaged.
    """
    verify_checkpoint(checkpoint, [PROGRESS])
    try:
        return SavedProgress.read(checkpoint / PROGRESS)
    except DamagedFileError as error:
        raise damaged(checkpoint, error.path, error.reason) from error


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
    except (OSError, TypeError, safetensors.SafetensorError) as error:  # torch refuses a shape of huge numbers.
        raise damaged(file.parent, file, f"damaged: {error}") from error


def _recurrent(
    state: TrainingState, batch_size: int, tensors: Mapping[str, Tensor], progress: SavedProgress
) -> list[States]:
    def restore(batch: int, layer: int, empty: State) -> State:
        parts = [tensors[f"recurrent.{batch}.{layer}.{part}"].to(state.device) for part in range(len(empty))]
        for part, expected in zip(parts, empty, strict=True):
            if part.shape != expected.shape or part.dtype != expected.dtype:
                found, needed = (f"{list(tensor.shape)}, {tensor.dtype}" for tensor in (part, expected))
                raise ValueError(f"the recurrent state of layer {layer} is {found}, and the experiment needs {needed}")
        return type(empty)(*parts)

    if progress.step == 0 or not state.carried_batches:
        return []
    if progress.batches != state.carried_batches:
        needed = f"and the experiment needs {state.carried_batches}"
        raise ValueError(f"it has the recurrent states of {progress.batches} batches, {needed}")
    template = state.model.initial_states(batch_size)
    return [
        tuple(restore(batch, layer, empty) for layer, empty in enumerate(template)) for batch in range(progress.batches)
    ]


def _other_experiment(path: Path, reason: str) -> RunError:
    return RunError(
        f"{path}: the checkpoint is from another experiment: {reason}",
        hint="A checkpoint fits only the experiment.toml of its own run.",
    )
