"""The start of training in a run directory: a new one, or one whose run is resumed."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from seqforge.api.agreement import (
    check_same_experiment,
    choose_same_backends,
    create_directory,
    find_checkpoint,
    lock_run,
    remember_run,
)
from seqforge.api.fine_tuning import InitialWeights, load_initial_weights
from seqforge.api.progress import ProgressDisplay
from seqforge.api.trackers import Trackers
from seqforge.distribution import World
from seqforge.errors import ExperimentError, RunError
from seqforge.events import WorkProgressed
from seqforge.experiment import AUTO_BACKEND, Experiment
from seqforge.hardware.devices import choose_device
from seqforge.model import CellBackend, RecordedBackends, precisions_to_measure
from seqforge.registry import format_value
from seqforge.runs.backends import describe_backends, read_backends, record_backends
from seqforge.runs.checkpoint_files import load_model, load_training, write_weights
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import measure_history
from seqforge.runs.resume import check_changes, remove_temporary_files
from seqforge.runs.training_state import TrainingState
from seqforge.runs.verification import describe_run_files
from seqforge.storage.files import reported_failures, write_atomically
from seqforge.tasks import task_of
from seqforge.training.callbacks import Callbacks
from seqforge.training.interrupts import InterruptGuard
from seqforge.training.step import map_recurrent
from seqforge.training.task import TrainingTask
from seqforge.training.trainer import Trainer


def train_new(
    experiment: Experiment,
    output: Path,
    initial: InitialWeights | None,
    callbacks: Sequence[object],
    progress: bool | None,
    world: World,
) -> RunDirectory:
    """Train an experiment to its end, and return the new run directory.

    Args:
        experiment: The experiment.
        output: Folder in which the run directory is created.
        initial: Weights that the run starts from, or None for those of the initializer.
        callbacks: Objects with some of the methods of `Callback`, which receive the events of the run.
        progress: Whether to display the progress; None to display it only on a terminal and in a notebook.
        world: The processes that train together.
    """
    check_same_experiment(experiment, world)
    device = choose_device(experiment.training.device, world)
    # This is checked first, because the corpus may be encoded for minutes.
    RunDirectory.check_parent(output)
    with (
        InterruptGuard(announce=world.is_first) as interrupt,
        _open_listeners(experiment, callbacks, progress, world) as notify,
    ):
        task = task_of(experiment).prepare_training(device, notify, world)
        with _seed_dropout(experiment, device):
            state = task.new_state()
            source = None
            if initial is not None:
                source = load_initial_weights(state.model, experiment, task.vocabulary, initial)
            choices = _choose_backends(experiment, task, state, notify)

            def fill(directory: RunDirectory) -> None:
                _write_task_files(directory, task)
                if source is not None:
                    write_weights(directory.initial, state.model, describe_run_files(directory.path))
                record_backends(directory.path, choices, state.model.precision)
                directory.write_experiment(experiment)

            # The directory is created last, so that an error or a signal above does not leave a run behind.
            interrupt.wait_for_steps()
            directory = create_directory(output, experiment.identity.name, fill, world)
            with lock_run(directory, world):
                lines = describe_backends(choices)
                Trainer(experiment, task, directory, state, notify, interrupt, lines, source).train()
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
    """Resume a run from a checkpoint, and train it to its end.

    Args:
        directory: The run directory.
        experiment: Experiment of the run, with new settings if it is to train longer.
        checkpoint: "latest", "best" or a step. Later checkpoints are deleted. A run without a checkpoint starts again.
        new_backends: Whether the backends of the cells are chosen again, instead of the recorded ones.
        callbacks: Objects with some of the methods of `Callback`, which receive the events of the run.
        progress: Whether to display the progress; None to display it only on a terminal and in a notebook.
        world: The processes that train together.
    """
    check_same_experiment(experiment, world)
    directory.check_exists()
    history = measure_history(directory.path)
    saved = directory.read_experiment()
    check_changes(saved, experiment.table)
    device = choose_device(experiment.training.device, world)
    # After a restart by torchrun, the run continues where it was, even if the command names an earlier checkpoint.
    restarted = world.launch is not None and world.launch.recall_run() is not None
    path = find_checkpoint(directory, experiment, "latest" if restarted else checkpoint, world)
    with (
        InterruptGuard(announce=world.is_first) as interrupt,
        _open_listeners(experiment, callbacks, progress, world) as notify,
    ):
        task = task_of(experiment).prepare_training(device, notify, world)
        with _seed_dropout(experiment, device), lock_run(directory, world):
            # The checkpoint was found before the corpus was encoded, which takes minutes.
            if world.is_first and measure_history(directory.path) != history:
                raise RunError(
                    f"{directory.path}: another process has trained this run since this one was started",
                    hint="Resume the run again, from its present state.",
                )
            state = task.new_state()
            if path is not None:
                load_training(path, state, experiment, task.digest)
                state.recurrent = map_recurrent(world.own_rows, state.recurrent)
            else:
                if world.is_first:
                    _write_task_files(directory, task)
                if directory.initial.exists():
                    load_model(directory.initial, state.model)
            new_backends = new_backends or _pins(saved) != _pins(experiment.table)
            recorded = None if new_backends else read_backends(directory.path)
            choices = _choose_backends(experiment, task, state, notify, recorded)
            trainer = Trainer(experiment, task, directory, state, notify, interrupt, describe_backends(choices))
            if world.is_first and not restarted:
                trainer.refuse_at_end()
            interrupt.wait_for_steps()
            best: tuple[int, float] | None = None
            if world.is_first:
                checkpoints = Checkpoints(directory.checkpoints)
                checkpoints.drop_after(state.step)
                remove_temporary_files(directory.path)
                best = checkpoints.best()
                # The new settings are written last, after all checks. If this process is killed before, the pins of the
                # new experiment still differ from those in the file, so that the backends are chosen again.
                record_backends(directory.path, choices, state.model.precision)
                directory.write_experiment(experiment)
                remember_run(directory, world)
            lowest = world.broadcast(best[1] if best is not None else None)
            if lowest is not None:
                state.best_loss = min(state.best_loss, lowest)
            trainer.train()


def _write_task_files(directory: RunDirectory, task: TrainingTask) -> None:
    with reported_failures(f"writing {directory.path}"):
        for file in task.files:
            write_atomically(directory.path / file.name, file.read_bytes())


@contextmanager
def _open_listeners(
    experiment: Experiment, callbacks: Sequence[object], progress: bool | None, world: World
) -> Generator[Callable[[object], None]]:
    """Yield a function that passes events to plugins, callbacks, trackers and the display, in the first process."""
    if isinstance(callbacks, str) or not isinstance(callbacks, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ExperimentError(
            f"callbacks are a list of objects, not {format_value(callbacks)}", hint="Pass callbacks=[…]."
        )
    if not world.is_first:
        yield lambda event: None
        return
    with ProgressDisplay() as display, Trackers(experiment) as trackers:
        visible = display.has_bar if progress is None else progress
        listeners = [*callbacks, *([trackers] if experiment.trackers else []), *([display] if visible else [])]
        yield Callbacks(experiment.registry.new_hooks(), listeners).notify


def _choose_backends(
    experiment: Experiment,
    task: TrainingTask,
    state: TrainingState,
    notify: Callable[[object], None],
    recorded: RecordedBackends | None = None,
) -> list[CellBackend]:
    settings = experiment.training
    some_free = settings.backend == AUTO_BACKEND and not all(experiment.backend_pins)
    if recorded is None and (some_free or len(precisions_to_measure(settings.precision, state.device)) > 1):
        notify(WorkProgressed("timing backends"))
    return choose_same_backends(experiment, task, state, recorded)


def _pins(table: Mapping[str, Any]) -> list[Any]:
    """Return the pinned backend of each layer, or None."""
    return [entry.get("backend") for entry in table["model"]["cells"]]


@contextmanager
def _seed_dropout(experiment: Experiment, device: torch.device) -> Generator[None]:
    """Seed the generators of torch, from which dropout draws, inside the block, and restore them afterwards."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(experiment.identity.seed)
        if gpus:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(experiment.identity.seed)
        yield
