"""`seqforge run`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqforge.cli.options import (
    BackendName,
    CellName,
    CorpusName,
    LossName,
    OptimizerName,
    PluginFiles,
    Samplers,
    Set,
    compose_experiment,
    open_run,
    with_backend,
)
from seqforge.cli.processes import reported_once
from seqforge.cli.programs import typed_program
from seqforge.cli.terminal import stderr, stdout
from seqforge.errors import ExperimentError, quote_path
from seqforge.registry import Registry, plugin_options

if TYPE_CHECKING:
    from seqforge.api import Run
    from seqforge.distribution import World
    from seqforge.events import RunStarted


def run(
    context: typer.Context,
    experiment: Annotated[
        Path | None,
        typer.Argument(
            metavar="EXPERIMENT.toml", help="Experiment file. Without it, the options define the experiment."
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Resume a run, such as runs/first-run, from its latest checkpoint, or from the given checkpoint.",
        ),
    ] = None,
    initial: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Fine-tune: start from the best weights of a run, such as runs/first-run, from a checkpoint, or from "
            "a model, such as linux-small.",
        ),
    ] = None,
    corpus: CorpusName = None,
    cell: CellName = None,
    loss: LossName = None,
    optimizer: OptimizerName = None,
    backend: BackendName = None,
    sampler: Samplers = [],  # noqa: B006 - typer copies it
    assignments: Set = [],  # noqa: B006
    plugin: PluginFiles = [],  # noqa: B006
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder in which the run directory is created. Default: runs."),
    ] = None,
) -> None:
    """Train a model, and draw samples at intervals.

    The run directory holds the experiment with every default, the metrics, the samples and the checkpoints.
    Ctrl-C saves a checkpoint. A run that is resumed from it is bit-identical to one without interruption.

    [bold]Examples[/]

      seqforge run experiments/first-run.toml

      seqforge run --corpus linux-source --cell lstm --optimizer adam --sampler top-p

      seqforge run --resume runs/first-run --set training.minutes=10

      seqforge run experiments/tiny-shakespeare.toml --initial runs/first-run

      seqforge run experiments/first-run.toml --plugin my_cell.py --cell my-cell

      torchrun --nproc-per-node 2 -m seqforge run experiments/first-run.toml
    """
    from seqforge.api.progress import ProgressDisplay
    from seqforge.distribution import join_world
    from seqforge.hardware.memory import keep_freed_memory
    from seqforge.training.interrupts import Interrupted

    registry: Registry = context.obj
    components = {"corpus": corpus, "cell": cell, "loss": loss, "optimizer": optimizer, "sampler": sampler}
    assignments = with_backend(assignments, backend)
    keep_freed_memory()
    with join_world() as world, reported_once(world), ProgressDisplay(stderr()) as display:
        try:
            if resume is None:
                trained = _start(
                    experiment, components, assignments, output or Path("runs"), initial, registry, [display], world
                )
            elif given := _given(experiment, {"initial": initial, "output": output, **components}):
                raise ExperimentError(
                    f"--resume cannot be combined with {given}, because a resumed run keeps its experiment",
                    hint=f"To train it longer: seqforge run --resume {quote_path(resume)} --set training.steps=5000",
                )
            else:
                trained = _resume(resume, assignments, registry, [display], world)
        except KeyboardInterrupt as interrupt:
            display.close()
            if world.is_first and not (world.launch is not None and world.launch.has_failed()):
                stderr().print(_interrupt_message(display.started, registry))
            raise typer.Exit(interrupt.exit_status if isinstance(interrupt, Interrupted) else 130) from None
        if world.is_first:
            _print_next_commands(trained, display.started, registry)


def _given(experiment: Path | None, options: Mapping[str, object]) -> str:
    """Return the experiment file and the names of the options that the user has given, for a message."""
    names = [f"--{name}" for name, value in options.items() if value]
    return ", ".join([str(experiment), *names] if experiment else names)


def _start(
    path: Path | None,
    components: dict[str, Any],
    assignments: list[str],
    output: Path,
    initial: str | None,
    registry: Registry,
    callbacks: Sequence[object],
    world: "World",
) -> "Run":
    from seqforge.api import train

    experiment = compose_experiment(path, components, assignments, registry)
    return train(experiment, output, initial=initial, callbacks=callbacks, progress=False, world=world)


def _resume(
    name: str, assignments: list[str], registry: Registry, callbacks: Sequence[object], world: "World"
) -> "Run":
    from seqforge.api.launch import train_further

    run, checkpoint = open_run(name, registry, "latest", overrides=assignments, samplers=[])
    train_further(run.directory, run.experiment, checkpoint, run.new_backends, callbacks, False, world)
    return run


def _interrupt_message(started: "RunStarted | None", registry: Registry) -> str:
    if started is None:
        return "Interrupted before the start of the run."
    from seqforge.runs.checkpoints import Checkpoints
    from seqforge.runs.directory import RunDirectory

    steps = Checkpoints(RunDirectory(started.directory).checkpoints).steps()
    if not steps:
        return "Interrupted before the first checkpoint was saved, so there is nothing to resume."
    command = f"{typed_program()} run --resume {quote_path(started.directory)}{plugin_options(registry)}"
    return f"Interrupted. The checkpoint of step {steps[-1]:,} is saved.\nTo resume: {command}"


def _print_next_commands(run: "Run", started: "RunStarted | None", registry: Registry) -> None:
    from seqforge.tasks import task_of

    command, path = typed_program(), quote_path(run.path)
    stdout().print(f"The run is in {run.path}. Next:")
    stdout().print(f"  {command} {task_of(run.experiment).terms.command.format(run=path)}{plugin_options(registry)}")
    if started is not None and started.validation_tokens:
        stdout().print(f"  {command} evaluate {path}{plugin_options(registry)}")
    stdout().print(f"  {command} report {path} --open{plugin_options(registry)}")
    activate = Path(sys.argv[0]).with_name("activate")
    if command != "seqforge" and activate.exists():
        stdout().print(f"To type `seqforge` without its path: source {quote_path(activate)}")
