"""What the first process decides for all processes that train together: experiment, backends, directory, checkpoint."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

from seqforge.distribution import World
from seqforge.errors import ExperimentError, RunError, quote_path
from seqforge.experiment import Experiment
from seqforge.model import CellBackend, RecordedBackends, choose_backends
from seqforge.registry import join_key
from seqforge.runs.checkpoint_files import is_exported
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.runs.training_state import TrainingState
from seqforge.training.task import TrainingTask


def check_same_experiment(experiment: Experiment, world: World) -> None:
    """Check that this process has the experiment of the first one, with the same versions of its plugins.

    Raises:
        ExperimentError: If they differ; the message names the keys.
    """
    own: Any = json.loads(json.dumps({**experiment.table, "plugins": dict(experiment.plugins)}))
    differences = list(_differences(world.broadcast(own), own, ""))
    if differences:
        raise ExperimentError(
            f"the experiment is not that of the first process: {', '.join(differences)}",
            hint="Every process needs the same experiment file, options and plugins.",
        )


def _differences(first: Any, own: Any, key: str) -> Iterator[str]:
    """Yield the keys at which two tables differ, with both values."""
    if isinstance(first, Mapping) and isinstance(own, Mapping):
        theirs, ours = cast("Mapping[str, Any]", first), cast("Mapping[str, Any]", own)
        for name in sorted(theirs.keys() | ours.keys()):
            yield from _differences(theirs.get(name), ours.get(name), join_key(key, name))
    elif isinstance(first, list) and isinstance(own, list) and len(first) == len(own):  # pyright: ignore[reportUnknownArgumentType]
        for index, (theirs, ours) in enumerate(zip(cast("list[Any]", first), cast("list[Any]", own), strict=True)):
            yield from _differences(theirs, ours, join_key(key, index))
    elif first != own:
        yield f"{key} is {own!r:.60}, not {first!r:.60}"


def choose_same_backends(
    experiment: Experiment,
    task: TrainingTask,
    state: TrainingState,
    recorded: RecordedBackends | None,
) -> list[CellBackend]:
    """Choose the backends and the precision in the first process, and install the same in all processes.

    Args:
        experiment: The experiment.
        task: The prepared corpus.
        state: Training state with the model.
        recorded: Choices of an earlier part of the run, or None.
    """
    model, registry = state.model, experiment.registry
    choices: list[CellBackend] = []
    if task.world.is_first:
        choices = choose_backends(
            model,
            registry,
            task.batch_shape,
            backend=experiment.training.backend,
            pins=experiment.backend_pins,
            recorded=recorded,
        )
    chosen = RecordedBackends({choice.module: choice.backend for choice in choices}, model.precision)
    agreed = RecordedBackends(*task.world.broadcast(chosen))
    return choices or choose_backends(model, registry, task.batch_shape, recorded=agreed)


def create_directory(output: Path, name: str, fill: Callable[[RunDirectory], None], world: World) -> RunDirectory:
    """Create the run directory and its files in the first process, and return it in all.

    Args:
        output: Folder that receives it.
        name: Its name.
        fill: Function that writes the files of the run.
        world: The processes that train together.
    """
    path = Path()
    if world.is_first:
        directory = RunDirectory.create(output, name, fill)
        remember_run(directory, world)
        path = directory.path
    return RunDirectory(Path(world.broadcast(str(path))))


def remember_run(directory: RunDirectory, world: World) -> None:
    """Store the run directory for a restart by torchrun, after which the processes resume the run."""
    if world.launch is not None:
        world.launch.remember_run(directory.path)


def find_checkpoint(directory: RunDirectory, experiment: Experiment, name: str | int, world: World) -> Path | None:
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
                python_hint=f"To train a new run from it: seqforge.train(experiment, initial={name!r})",
            )
        path = str(checkpoint)
    found: str | None = world.broadcast(path)
    return None if found is None else Path(found)


def lock_run(directory: RunDirectory, world: World) -> AbstractContextManager[None]:
    """Return the lock of a run, which the first process holds for all."""
    return directory.lock() if world.is_first else nullcontext()
