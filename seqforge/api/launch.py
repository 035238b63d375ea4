"""Running an experiment, and going on with a run."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pluggy
import torch

from seqforge.api.run import Run
from seqforge.checkpoints.files import load_training
from seqforge.checkpoints.training_state import TrainingState
from seqforge.experiment import Experiment, read_table
from seqforge.files import reported_failures, write_atomically
from seqforge.hardware.devices import choose_device
from seqforge.model import CellBackend, choose_backends
from seqforge.runs.backends import read_backends, record_backends
from seqforge.runs.directory import RunDirectory
from seqforge.runs.resume import check_changes
from seqforge.tasks import task_of
from seqforge.training.observers import Observers
from seqforge.training.task import TrainingTask
from seqforge.training.trainer import Trainer


def train(experiment: Experiment, output: str | Path = "runs", *, hooks: pluggy.PluginManager | None = None) -> Run:
    """Run an experiment in a new run directory, to its end.

    Args:
        experiment: What to run.
        output: Where runs are kept.
        hooks: The plugins that watch; by default those of the experiment's registry.

    Returns:
        The run.

    Raises:
        KeyboardInterrupt: Where it was interrupted; its checkpoint is then written.
        DataError: Where the corpus is missing, empty or too short.
        RunError: Where the loss is no longer finite, or a file cannot be written.
    """
    observers = Observers(hooks or experiment.registry.new_hooks())
    device = choose_device(experiment.training.device)
    task = task_of(experiment).prepare_training(
        device, lambda event: observers.notify("seqforge_documents_encoded", event)
    )
    with _seeded(experiment, device):
        state = task.new_state()
        choices = _choose_backends(experiment, task, state, None)
        # Only now: what is wrong with the experiment has shown itself, and leaves no empty run behind.
        directory = RunDirectory.create(Path(output), experiment.identity.name)
        with directory.locked():
            with reported_failures(f"writing {directory.path}"):
                write_atomically(directory.experiment, experiment.to_toml().encode())
                for file in task.files:
                    write_atomically(directory.path / file.name, file.read_bytes())
            record_backends(directory.path, choices)
            Trainer(experiment, task, directory, state, observers, choices).train()
    return Run(directory, experiment)


def resume(run: Run, checkpoint: str = "latest", *, hooks: pluggy.PluginManager | None = None) -> None:
    """Go on with a run from a checkpoint, as if it had never stopped.

    Args:
        run: As opened, with new settings where it is to run longer or more slowly.
        checkpoint: "latest", "best" or a step; later checkpoints are dropped.
        hooks: The plugins that watch; by default those of the experiment's registry.

    Raises:
        ExperimentError: Where the new settings are such that the run would no longer be the same.
        RunError: Where the run has no such checkpoint, or one that does not fit, and as `train` does.
    """
    experiment, directory = run.experiment, run.directory
    check_changes(read_table(directory.experiment), experiment.table)
    observers = Observers(hooks or experiment.registry.new_hooks())
    device = choose_device(experiment.training.device)
    path = run.checkpoints.find(checkpoint)
    task = task_of(experiment).prepare_training(
        device, lambda event: observers.notify("seqforge_documents_encoded", event)
    )
    with _seeded(experiment, device), directory.locked():
        state = task.new_state()
        load_training(path, state, experiment, task.digest)
        recorded = None if run.new_backends else read_backends(directory.path)
        choices = _choose_backends(experiment, task, state, recorded)
        trainer = Trainer(experiment, task, directory, state, observers, choices)
        trainer.refuse_at_end()
        run.checkpoints.drop_after(state.step)
        best = run.checkpoints.best()
        if best is not None:
            state.best_loss = min(state.best_loss, best[1])
        # Only now, when it has shown that it fits and goes on.
        with reported_failures(f"writing {directory.experiment}"):
            write_atomically(directory.experiment, experiment.to_toml().encode())
        record_backends(directory.path, choices)
        trainer.train()


def _choose_backends(
    experiment: Experiment, task: TrainingTask, state: TrainingState, recorded: Mapping[str, str] | None
) -> list[CellBackend]:
    return choose_backends(
        state.model,
        experiment.registry,
        task.workload,
        backend=experiment.training.backend,
        pins=experiment.backend_pins,
        recorded=recorded,
    )


@contextmanager
def _seeded(experiment: Experiment, device: torch.device) -> Generator[None]:
    """Seed torch's generators, which dropout draws from, and put them back afterwards."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(experiment.identity.seed)
        if gpus:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(experiment.identity.seed)
        yield
