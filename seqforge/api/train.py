"""The training of an experiment from Python."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from seqforge.api.export import open_checkpoint
from seqforge.api.run import Run
from seqforge.api.start_training import train_further, train_new
from seqforge.distribution.world import World, join_world
from seqforge.errors import ExperimentError
from seqforge.experiment.experiment import Experiment
from seqforge.faults import blame_components
from seqforge.registry.problems import format_value
from seqforge.runs.directory import RunDirectory
from seqforge.runs.loaded_run import LoadedRun
from seqforge.storage.paths import as_path


@blame_components()
def train(
    experiment: Experiment,
    output: str | Path = "runs",
    *,
    initial: Run | str | Path | None = None,
    callbacks: Sequence[object] = (),
    progress: bool | None = None,
    world: World | None = None,
) -> Run:
    """Train an experiment to its end, in a new run directory.

    In processes that torchrun started, train it together with the others. If torchrun has restarted them, resume the
    run that this call began before.

    Args:
        experiment: The experiment.
        output: Folder in which the run directory is created.
        initial: Fine-tuning: trained run whose best weights the run starts from, the path of a run directory or of a
            checkpoint, or the name of a pretrained model; by default, the run starts from the initializer's weights.
        callbacks: Objects with some of the methods of `Callback`, which receive the events of the run.
        progress: Whether to display the progress; by default, only on a terminal and in a notebook.
        world: The processes that train together, if they are connected already.

    Returns:
        The finished run.

    Raises:
        KeyboardInterrupt: If the run is interrupted, after its checkpoint is written.
        ExperimentError: If there is no such device, or the named backend cannot run a cell, or a callback has no method
            that an event calls, or the processes have different experiments.
        DataError: If the corpus is missing, empty or too short.
        RunError: If the weights of `initial` do not fit, a number is not finite, or a file cannot be written.
    """
    if not isinstance(experiment, Experiment):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ExperimentError(
            f"train() takes an Experiment, not {format_value(experiment)}",
            hint='For a file: train(Experiment.load("small.toml")). For tables: train(Experiment.from_dict({…})).',
        )
    folder = as_path(output, "output")
    with nullcontext(world) if world is not None else join_world() as world:
        earlier = world.launch.recall_run() if world.launch is not None else None
        if earlier is not None:
            directory = RunDirectory.open(earlier)
            train_further(directory, experiment, "latest", False, callbacks, progress, world)
        else:
            model: LoadedRun | None = None
            if initial is not None:
                trained, checkpoint = open_checkpoint(initial, "best", experiment.registry)
                trained.checkpoints.find(checkpoint)  # An error about it comes before the corpus is encoded.
                model = trained.load(checkpoint, device="cpu")
            directory = train_new(experiment, folder, model, callbacks, progress, world)
    return Run(directory, experiment)
