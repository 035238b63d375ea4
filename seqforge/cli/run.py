"""`seqforge run`."""

import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.cli.options import COMPONENTS, complete_run, compose_experiment, open_run, with_experiment_options
from seqforge.cli.terminal import print_error, stderr, stdout, typed_program
from seqforge.errors import ExperimentError, SeqforgeError, quote_path
from seqforge.registry.local_plugins import plugin_options
from seqforge.registry.registry import Registry

if TYPE_CHECKING:
    from seqforge.api.run import Run
    from seqforge.distribution.world import World
    from seqforge.events import RunStarted


@with_experiment_options
def run(
    context: typer.Context,
    experiment: Annotated[
        Path | None,
        typer.Argument(
            metavar="[EXPERIMENT.toml|TEXT|FOLDER]",
            help="Experiment file, or text to train on: a file or a folder. Without it, the options define the "
            "experiment.",
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Resume a run, such as runs/first-run, from its latest checkpoint, or from the given checkpoint.",
            autocompletion=complete_run,
        ),
    ] = None,
    initial: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Fine-tune: start from the best weights of a run, such as runs/first-run, from a checkpoint, or from "
            "a model, such as linux-small. An experiment without a model of its own has that of the run.",
            autocompletion=complete_run,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder in which the run directory is created. Default: runs."),
    ] = None,
) -> None:
    """Train a model, and draw samples at intervals.

    The run directory holds the experiment with every default, the metrics, the samples and the checkpoints.
    Ctrl-C saves a checkpoint. A run that is limited in steps or epochs and resumed from it has the same bits as one
    without interruption.

    [bold]Examples[/]

      seqforge run notes.txt --minutes 5

      seqforge run experiments/first-run.toml --cell gru --hidden-size 256

      seqforge run --corpus linux-source --cell lstm --optimizer adam --sampler top-p

      seqforge run --resume runs/first-run --minutes 10

      seqforge run notes.txt --initial linux-small

      seqforge run experiments/first-run.toml --plugin my_cell.py --cell my-cell

      torchrun --nproc-per-node 2 -m seqforge run experiments/first-run.toml
    """
    from seqforge.api.progress import ProgressDisplay
    from seqforge.api.start_training import train_further
    from seqforge.api.train import train
    from seqforge.distribution.world import join_world
    from seqforge.hardware import keep_freed_memory
    from seqforge.interrupts import Interrupted

    registry: Registry = context.obj
    keep_freed_memory()
    with join_world() as world, reported_once(world), ProgressDisplay(stderr()) as display:
        try:
            if resume is None:
                composed = compose_experiment(context, experiment)
                folder = output or Path("runs")
                trained = train(composed, folder, initial=initial, callbacks=[display], progress=False, world=world)
            else:
                _refuse_other_experiment(context, resume)
                trained, checkpoint = open_run(context, resume, "latest")
                train_further(
                    trained.directory, trained.experiment, checkpoint, trained.new_backends, [display], False, world
                )
        except KeyboardInterrupt as interrupt:
            display.close()
            if world.is_first and not (world.launch is not None and world.launch.has_failed()):
                stderr().print(_interrupt_message(display.started, registry))
            raise typer.Exit(interrupt.exit_status if isinstance(interrupt, Interrupted) else 130) from None
        if world.is_first:
            _print_next_commands(trained, display.started, registry)


def _refuse_other_experiment(context: typer.Context, resumed: str) -> None:
    """Check that no option defines an experiment, since a resumed run keeps its own.

    Raises:
        ExperimentError: If one does.
    """
    file = context.params["experiment"]
    given = [str(file)] if file else []
    given += [f"--{name}" for name in ("initial", "output", *COMPONENTS) if context.params[name]]
    if given:
        raise ExperimentError(
            f"--resume cannot be combined with {', '.join(given)}, because a resumed run keeps its experiment",
            hint=f"To train it longer: seqforge run --resume {quote_path(resumed)} --steps 5000",
        )


def _interrupt_message(started: "RunStarted | None", registry: Registry) -> str:
    if started is None:
        return "Interrupted before the start of the run."
    from seqforge.runs.directory import RunDirectory
    from seqforge.training.endings import advise_resuming

    advice = advise_resuming(RunDirectory(started.directory), registry, typed_program())
    nothing = "Interrupted before the first checkpoint was saved, so there is nothing to resume."
    return f"Interrupted. {advice}" if advice else nothing


def _print_next_commands(run: "Run", started: "RunStarted | None", registry: Registry) -> None:
    from seqforge.tasks import task_of

    command, path = typed_program(), quote_path(run.path)
    stdout().print(f"The run is in {run.path}. Next:")
    stdout().print(f"  {command} {task_of(run.experiment).units.command.format(run=path)}{plugin_options(registry)}")
    if started is not None and started.validation_size:
        stdout().print(f"  {command} evaluate {path}{plugin_options(registry)}")
    stdout().print(f"  {command} report {path} --open{plugin_options(registry)}")
    activate = Path(sys.argv[0]).with_name("activate")
    if command != "seqforge" and activate.exists():
        stdout().print(f"To type `seqforge` without its path: source {quote_path(activate)}")


@contextmanager
def reported_once(world: "World") -> Generator[None]:
    """Print the error that ends the block in one process only, with its rank if it is not the first process.

    If a process fails, the others lose the connection to it, or stop because its result is missing; if all have the
    same mistake, all fail.

    Raises:
        Exit: If the block raises an error, and this process is one of several.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, typer.Exit) or world.launch is None:
            raise
        failure = error
        from seqforge.distribution.world import FailedElsewhereError

        world.launch.report(lambda: _print(failure, world), is_cause=not isinstance(failure, FailedElsewhereError))
        raise typer.Exit(1) from None


def _print(error: Exception, world: "World") -> None:
    origin = "" if world.is_first else f"process {world.rank} of {world.size}: "
    if isinstance(error, SeqforgeError):
        print_error(f"{origin}{error.message}", hint=error.hint)
    else:
        print_error(f"{origin}{''.join(traceback.format_exception(error))}")
