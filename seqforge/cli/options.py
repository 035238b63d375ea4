"""Arguments and options that several commands share."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.cli.terminal import print_error
from seqforge.registry import Registry

if TYPE_CHECKING:
    from seqforge.api import Run

RunPath = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/first-run, or one checkpoint in it.")
]
Set = Annotated[
    list[str],
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a key, such as [bold]model.cells.0.hidden_size=256[/]. Repeatable."
    ),
]
SetOfRun = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the run's, such as [bold]sampler.0.temperature=0.5[/]. Repeatable.",
    ),
]
Samplers = Annotated[
    list[str], typer.Option("--sampler", metavar="NAME", help="Sample by this; repeat it for a chain.")
]
CheckpointName = Annotated[
    str, typer.Option("--checkpoint", metavar="WHICH", help="best, latest, or a step such as 500.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, …")]


def open_run(
    path: Path, registry: Registry, checkpoint: str, *, overrides: list[str], samplers: list[str]
) -> "tuple[Run, str]":
    """Open what the user pointed at: a run, or one of its checkpoints.

    Args:
        path: The path as given.
        registry: The installed components.
        checkpoint: The checkpoint where `path` names none.
        overrides: Assignments to the run's experiment.
        samplers: A chain to use in the place of the experiment's.

    Returns:
        The run, and the checkpoint's name.
    """
    from seqforge.api import Run
    from seqforge.experiment import Experiment, override, read_table, replace_components
    from seqforge.runs import RunDirectory, locate

    path, step = locate(path)
    directory = RunDirectory.open(path)
    table = override(replace_components(read_table(directory.experiment), registry, sampler=samplers), overrides)
    experiment = Experiment.from_dict(table, path, registry, origin=directory.experiment)
    _tell_other_versions(table.get("plugins", {}), experiment.plugins)
    return Run(directory, experiment), step or checkpoint


def _tell_other_versions(made_with: Mapping[str, str], installed: Mapping[str, str]) -> None:
    changes = [
        f"{name} {made_with[name]}, now {version}"
        for name, version in installed.items()
        if made_with.get(name, version) != version
    ]
    if changes:
        print_error(f"this run was made with other versions: {'; '.join(changes)}", kind="warning")
