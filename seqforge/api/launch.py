"""The start of training: a new run, or a resumed one."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from seqforge.api.fine_tuning import load_initial_weights
from seqforge.api.progress import ProgressDisplay
from seqforge.api.run import Run
from seqforge.api.trackers import Trackers
from seqforge.checkpoints.files import load_model, load_training, write_weights
from seqforge.checkpoints.manifest import describe_run_files
from seqforge.checkpoints.training_state import TrainingState
from seqforge.events import WorkProgressed
from seqforge.experiment import AUTO_BACKEND, Experiment
from seqforge.faults import blame_components
from seqforge.files import reported_failures, write_atomically
from seqforge.hardware.devices import choose_device
from seqforge.model import CellBackend, Precision, choose_backends, precisions_to_measure
from seqforge.runs.backends import describe_backends, read_backends, read_precision, record_backends
from seqforge.runs.directory import RunDirectory
from seqforge.runs.resume import check_changes, remove_temporary_files
from seqforge.tasks import task_of
from seqforge.training.callbacks import Callbacks
from seqforge.training.interrupts import InterruptGuard
from seqforge.training.task import TrainingTask
from seqforge.training.trainer import Trainer


@blame_components()
def train(
    experiment: Experiment,
    output: str | Path = "runs",
    *,
    initial: Run | str | Path | None = None,
    callbacks: Sequence[object] = (),
    progress: bool | None = None,
) -> Run:
    """Train an experiment to its end, in a new run directory.

    Args:
        experiment: The experiment.
        output: Folder in which the run directory is created.
        initial: Fine-tuning: trained run whose best weights the run starts from, or the path of a run directory or of
            a checkpoint; by default, the run starts from the weights of the initializer.
        callbacks: Objects with some of the methods of `Callback`, which receive the events of the run.
        progress: Whether to display the progress; by default, only on a terminal and in a notebook.

    Returns:
        The finished run.

    Raises:
        KeyboardInterrupt: If the run is interrupted, after its checkpoint is written.
        ExperimentError: If there is no such device, or a pinned backend cannot run a cell, or a callback has no method
            that an event calls.
        DataError: If the corpus is missing, empty or too short.
        RunError: If the weights of `initial` do not fit, a number is not finite, or a file cannot be written.
    """
    device = choose_device(experiment.training.device)
    with InterruptGuard() as interrupt, _open_listeners(experiment, callbacks, progress) as notify:
        task = task_of(experiment).prepare_training(device, notify)
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
            directory = RunDirectory.create(Path(output), experiment.identity.name, fill)
            with directory.lock():
                lines = describe_backends(choices)
                Trainer(experiment, task, directory, state, notify, interrupt, lines, source).train()
    return Run(directory, experiment, experiment.table)


@blame_components()
def resume(
    run: Run, checkpoint: str = "latest", *, callbacks: Sequence[object] = (), progress: bool | None = None
) -> Run:
    """Resume a run from a checkpoint. The result is bit-identical to that of a run without interruption.

    Args:
        run: The run, opened with new settings if it is to train longer.
        checkpoint: "latest", "best" or a step. Later checkpoints are deleted. A run without a checkpoint starts again.
        callbacks: Objects with some of the methods of `Callback`, which receive the events of the run.
        progress: Whether to display the progress; by default, only on a terminal and in a notebook.

    Returns:
        The run with the experiment that it was resumed with.

    Raises:
        KeyboardInterrupt: If the run is interrupted, after its checkpoint is written.
        ExperimentError: If a setting was changed on which the state of the run depends, or as in `train`.
        DataError: If the corpus is missing.
        RunError: If the run has no such checkpoint, the checkpoint does not fit, a recorded backend is not available,
            or as in `train`.
    """
    experiment, directory = run.experiment, run.directory
    check_changes(run.saved, experiment.table)
    device = choose_device(experiment.training.device)
    # A run that was killed before its first checkpoint starts again.
    starts_again = checkpoint == "latest" and not run.checkpoints.steps()
    path = None if starts_again else run.checkpoints.find(checkpoint)
    with InterruptGuard() as interrupt, _open_listeners(experiment, callbacks, progress) as notify:
        task = task_of(experiment).prepare_training(device, notify)
        with _seed_dropout(experiment, device), directory.lock():
            state = task.new_state()
            if path is not None:
                load_training(path, state, experiment, task.digest)
            else:
                _write_task_files(directory, task)
                if directory.initial.exists():
                    load_model(directory.initial, state.model)
            new_backends = run.new_backends or _pins(run.saved) != _pins(experiment.table)
            recorded = None if new_backends else read_backends(directory.path)
            precision = None if new_backends else read_precision(directory.path)
            choices = _choose_backends(experiment, task, state, notify, recorded, precision)
            trainer = Trainer(experiment, task, directory, state, notify, interrupt, describe_backends(choices))
            trainer.refuse_at_end()
            interrupt.wait_for_steps()
            run.checkpoints.drop_after(state.step)
            remove_temporary_files(directory.path)
            best = run.checkpoints.best()
            if best is not None:
                state.best_loss = min(state.best_loss, best[1])
            # The new settings are written last, after all checks.
            directory.write_experiment(experiment)
            record_backends(directory.path, choices, state.model.precision)
            trainer.train()
    return Run(directory, experiment, experiment.table)


def _write_task_files(directory: RunDirectory, task: TrainingTask) -> None:
    with reported_failures(f"writing {directory.path}"):
        for file in task.files:
            write_atomically(directory.path / file.name, file.read_bytes())


@contextmanager
def _open_listeners(
    experiment: Experiment, callbacks: Sequence[object], progress: bool | None
) -> Generator[Callable[[object], None]]:
    """Yield a function that passes events to plugins, callbacks, trackers and the progress display."""
    with ProgressDisplay() as display, Trackers(experiment) as trackers:
        visible = display.has_bar if progress is None else progress
        listeners = [*callbacks, *([trackers] if experiment.trackers else []), *([display] if visible else [])]
        yield Callbacks(experiment.registry.new_hooks(), listeners).notify


def _choose_backends(
    experiment: Experiment,
    task: TrainingTask,
    state: TrainingState,
    notify: Callable[[object], None],
    recorded: Mapping[str, str] | None = None,
    recorded_precision: Precision | None = None,
) -> list[CellBackend]:
    settings = experiment.training
    some_free = settings.backend == AUTO_BACKEND and not all(experiment.backend_pins)
    if recorded is None and (some_free or len(precisions_to_measure(settings.precision, state.device)) > 1):
        notify(WorkProgressed("timing backends"))
    return choose_backends(
        state.model,
        experiment.registry,
        task.workload,
        backend=settings.backend,
        pins=experiment.backend_pins,
        recorded=recorded,
        recorded_precision=recorded_precision,
    )


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
