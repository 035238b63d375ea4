"""The start of training, in a new run directory or in that of a run that is resumed."""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from seqforge.api.fine_tuning import load_initial_weights
from seqforge.api.listeners import open_listeners
from seqforge.distribution.world import World
from seqforge.errors import ExperimentError, RunError, quote_path
from seqforge.events import WorkProgressed
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.settings import AUTO_BACKEND
from seqforge.hardware import choose_device, fork_random_state, seed_generators
from seqforge.interrupts import InterruptGuard
from seqforge.model.choose_backend import CellBackend, RecordedBackends, choose_backends
from seqforge.model.precision import precisions_to_measure, train_products
from seqforge.model.stack import map_states
from seqforge.runs.backends import describe_backends, read_backends, record_backends
from seqforge.runs.checkpoint_files import is_exported, load_model, load_training, write_weights
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.comparison import find_differences
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import measure_history
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.resume import check_changes, remove_temporary_files
from seqforge.runs.training_state import TrainingState
from seqforge.storage.files import reported_failures, write_atomically
from seqforge.tasks import task_of
from seqforge.tasks.task import TrainingTask
from seqforge.training.endings import run_limits
from seqforge.training.trainer import Trainer


def train_new(
    experiment: Experiment,
    output: Path,
    initial: LoadedRun | None,
    callbacks: Sequence[object],
    progress: bool | None,
    world: World,
) -> RunDirectory:
    """Train an experiment to its end, and return the new run directory. `train` describes the arguments."""
    # 1. Check what can be checked before the corpus is encoded, which may take minutes.
    check_same_experiment(experiment, world)
    RunDirectory.check_parent(output)
    # 2. Encode the corpus, and build the model.
    with _prepare(experiment, callbacks, progress, world) as (task, state, notify, interrupt):
        # 3. Replace the initial weights by those of another run.
        source = None if initial is None else load_initial_weights(state.model, task, initial)
        # 4. Choose the backend of each cell.
        choices = _choose_backends(task, state, notify)

        def fill(directory: RunDirectory) -> None:
            _write_task_files(directory, task)
            if source is not None:
                write_weights(directory.initial, state.model)
            record_backends(directory.path, choices, state.model.precision)
            directory.write_experiment(experiment)  # last, so that a process that is killed loses no chosen backend

        # 5. Create the run directory, last, so that an error or a signal above does not leave a run behind.
        interrupt.wait_for_steps()
        path = Path()
        if world.is_first:
            directory = RunDirectory.create(output, experiment.identity.name, fill)
            if world.launch is not None:
                world.launch.remember_run(directory.path)
            path = directory.path
        directory = RunDirectory(Path(world.broadcast(str(path))))
        # 6. Train.
        with lock_run(directory, world):
            Trainer(task, state, directory, notify, interrupt, describe_backends(choices), source).train()
    return directory


def train_further(
    directory: RunDirectory,
    experiment: Experiment,
    checkpoint: str | int,
    new_backends: bool,
    callbacks: Sequence[object],
    progress: bool | None,
    world: World,
) -> None:
    """Resume a run from a checkpoint, and train it to its end. `train` describes the other arguments.

    The experiment is that of the run, with new settings if it is to train longer. The checkpoint is "latest", "best" or
    a step. Later checkpoints are deleted. A run without a checkpoint starts again. With `new_backends`, the backends of
    the cells are chosen again, instead of the recorded ones.
    """
    # 1. Check what can be checked before the corpus is encoded, and find the checkpoint.
    check_same_experiment(experiment, world)
    directory.check_exists()
    history = measure_history(directory.path)
    check_changes(directory.read_experiment(), experiment.table)
    # After a restart by torchrun, the run continues where it was, even if the command names an earlier checkpoint.
    restarted = world.launch is not None and world.launch.recall_run() is not None
    path = _find_checkpoint(directory, experiment, "latest" if restarted else checkpoint, world)
    # 2. Encode the corpus, and build the model.
    with (
        _prepare(experiment, callbacks, progress, world) as (task, state, notify, interrupt),
        lock_run(directory, world),
    ):
        if world.is_first:
            if measure_history(directory.path) != history:
                raise RunError(
                    f"{directory.path}: another process has trained this run since this one was started",
                    hint="Resume the run again, from its present state.",
                )
            remove_temporary_files(directory.path)
        # 3. Load the state, or start again.
        if path is not None:
            load_training(path, state, experiment, task.digest)
            state.recurrent = [map_states(world.own_rows, states) for states in state.recurrent]
        else:
            if world.is_first:
                _write_task_files(directory, task)
            if directory.initial.exists():
                load_model(directory.initial, state.model)
        # 4. Use the backends of the run again, or choose new ones.
        recorded = None if new_backends else read_backends(directory.path)
        choices = _choose_backends(task, state, notify, recorded)
        trainer = Trainer(task, state, directory, notify, interrupt, describe_backends(choices))
        # 5. Change the run directory, after all checks.
        if world.is_first and not restarted:
            trainer.require_steps_left()
        interrupt.wait_for_steps()
        if world.is_first:
            checkpoints = Checkpoints(directory.checkpoints)
            checkpoints.drop_after(state.step)
            if best := checkpoints.best():
                state.best_loss = min(state.best_loss, best[1])
            record_backends(directory.path, choices, state.model.precision)
            directory.write_experiment(experiment)  # last, so that a process that is killed loses no chosen backend
            if world.launch is not None:
                world.launch.remember_run(directory.path)
        state.best_loss = world.broadcast(state.best_loss)
        # 6. Train.
        trainer.train()


@contextmanager
def _prepare(
    experiment: Experiment, callbacks: Sequence[object], progress: bool | None, world: World
) -> Generator[tuple[TrainingTask, TrainingState, Callable[[object], None], InterruptGuard]]:
    """Encode the corpus and build the model, and yield them with open listeners. Dropout is seeded inside the block."""
    device = choose_device(experiment.training.device, world)
    with (
        torch.cuda.device(device) if device.type == "cuda" else nullcontext(),
        train_products(experiment.training.precision, deterministic=experiment.training.deterministic),
        InterruptGuard(announce=world.is_first) as interrupt,
        open_listeners(experiment, callbacks, progress, world) as notify,
    ):
        task = task_of(experiment).prepare_training(experiment, device, notify, world)
        # Dropout draws from the generators of torch, whose states are restored afterwards.
        with fork_random_state(device):
            seed_generators(experiment.identity.seed, device)
            yield task, task.new_state(), notify, interrupt


def check_same_experiment(experiment: Experiment, world: World) -> None:
    """Check that this process has the experiment of the first one, with the same versions of its plugins.

    Raises:
        ExperimentError: If they differ; the message names the keys.
    """
    own: Any = json.loads(json.dumps({**experiment.table, "plugins": dict(experiment.plugins)}))
    differences = [
        f"{key} is {ours!r:.60}, not {first!r:.60}"
        for key, (first, ours) in find_differences([world.broadcast(own), own]).items()
    ]
    if differences:
        raise ExperimentError(
            f"the experiment is not that of the first process: {', '.join(differences)}",
            hint="Every process needs the same experiment file, options and plugins.",
        )


def _find_checkpoint(directory: RunDirectory, experiment: Experiment, name: str | int, world: World) -> Path | None:
    """Return the checkpoint that the first process finds; None if there is none, so that the run starts again.

    Raises:
        RunError: If there is no checkpoint of that name, or it was exported without the state of training.
    """
    path: str | None = None
    checkpoints = Checkpoints(directory.checkpoints)
    if world.is_first and (name != "latest" or checkpoints.steps()):
        checkpoint = checkpoints.find(name)
        if is_exported(checkpoint):
            name = experiment.registry.name_of_run(directory.path)
            raise RunError(
                f"{name}: an exported model has only its weights, so its training cannot be resumed",
                hint=f"To train a new run from it: seqforge run EXPERIMENT.toml --initial {quote_path(name)}",
            )
        path = str(checkpoint)
    found: str | None = world.broadcast(path)
    return None if found is None else Path(found)


def _choose_backends(
    task: TrainingTask,
    state: TrainingState,
    notify: Callable[[object], None],
    recorded: RecordedBackends | None = None,
) -> list[CellBackend]:
    """Choose the backends and the precision in the first process, and install the same in all processes."""
    experiment, model, world, training = task.experiment, state.model, task.world, task.experiment.training
    is_free = training.backend == AUTO_BACKEND or len(precisions_to_measure(training.precision, state.device)) > 1
    if recorded is None and is_free:
        notify(WorkProgressed("timing backends"))
    steps, seconds = run_limits(training, task.steps_per_epoch)
    batch_shape = replace(task.batch_shape, optimizer_steps=steps, seconds=seconds)
    choose = partial(choose_backends, model, experiment.registry, batch_shape)
    choices: list[CellBackend] = []
    if world.is_first:
        choices = choose(backend=training.backend, recorded=recorded)
    cells = {choice.module: choice.backend for choice in choices}
    same = RecordedBackends(**world.broadcast({"cells": cells, "precision": model.precision}))
    return choices or choose(recorded=same)


def _write_task_files(directory: RunDirectory, task: TrainingTask) -> None:
    with reported_failures(f"writing {directory.path}"):
        for file in task.files:
            write_atomically(directory.path / file.name, file.read_bytes())


def lock_run(directory: RunDirectory, world: World) -> AbstractContextManager[None]:
    """Return the lock of a run, which the first process holds for all."""
    return directory.lock() if world.is_first else nullcontext()
