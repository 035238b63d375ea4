"""`seqforge run`."""

from pathlib import Path
from typing import Annotated, Any

import pluggy
import typer

from seqforge.cli.options import Samplers, Set, open_run
from seqforge.cli.terminal import stderr
from seqforge.errors import ExperimentError
from seqforge.registry import Registry


def run(
    context: typer.Context,
    experiment: Annotated[
        Path | None, typer.Argument(metavar="EXPERIMENT.toml", help="The experiment; without one, options compose it.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with a run from its latest checkpoint, or from the checkpoint given."),
    ] = None,
    corpus: Annotated[str | None, typer.Option(metavar="NAME", help="Read this corpus.")] = None,
    cell: Annotated[str | None, typer.Option(metavar="NAME", help="Use this cell in every layer.")] = None,
    loss: Annotated[str | None, typer.Option(metavar="NAME", help="Minimise this loss.")] = None,
    optimizer: Annotated[str | None, typer.Option(metavar="NAME", help="Minimise it by this optimizer.")] = None,
    sampler: Samplers = [],  # noqa: B006 - typer copies it
    assignments: Set = [],  # noqa: B006
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the run directory is made.")] = Path("runs"),
) -> None:
    """Train a model, and sample it as it learns.

    The run directory holds the experiment with every default, the figures, the samples and the checkpoints.
    Ctrl-C saves a checkpoint; --resume goes on from it, bit for bit as if it had never stopped.

    [bold]Examples[/]

      seqforge run experiments/first-run.toml

      seqforge run --corpus linux-source --cell lstm --optimizer adam --sampler top-p

      seqforge run --resume runs/first-run --set training.minutes=10
    """
    from seqforge.cli.progress import ProgressDisplay

    registry: Registry = context.obj
    hooks = registry.new_hooks()
    chosen = {"corpus": corpus, "cell": cell, "loss": loss, "optimizer": optimizer, "sampler": sampler}
    from seqforge.training.memory import keep_freed_memory

    keep_freed_memory()
    with ProgressDisplay() as display:
        hooks.register(display, "progress display")
        try:
            if resume is not None:
                _resume(resume, experiment, chosen, assignments, registry, hooks)
            else:
                _start(experiment, chosen, assignments, output, registry, hooks)
        except KeyboardInterrupt:
            display.close()
            stderr().print(display.how_to_resume())
            raise typer.Exit(130) from None


def _start(
    path: Path | None,
    chosen: dict[str, Any],
    assignments: list[str],
    output: Path,
    registry: Registry,
    hooks: pluggy.PluginManager,
) -> None:
    from seqforge.api import train
    from seqforge.experiment import Experiment, override, read_table, replace_components

    table = read_table(path) if path is not None else {}
    table = override(replace_components(table, registry, **chosen), assignments)
    folder = path.parent if path is not None else Path.cwd()
    train(Experiment.from_dict(table, folder, registry, origin=path), output, hooks=hooks)


def _resume(
    path: Path,
    experiment: Path | None,
    chosen: dict[str, Any],
    assignments: list[str],
    registry: Registry,
    hooks: pluggy.PluginManager,
) -> None:
    from seqforge.api import resume

    if experiment is not None or any(chosen.values()):
        raise ExperimentError(
            "--resume goes on with the run's own experiment, and takes no other and no other components",
            hint="To run longer: seqforge run --resume RUN --set training.steps=5000",
        )
    run, checkpoint = open_run(path, registry, "latest", overrides=assignments, samplers=[])
    resume(run, checkpoint, hooks=hooks)
