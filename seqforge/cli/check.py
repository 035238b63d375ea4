"""`seqforge check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.cli.options import PluginFiles, Set

if TYPE_CHECKING:
    from seqforge.experiment import Experiment
    from seqforge.registry import Component


def check(
    context: typer.Context,
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml", help="Experiment file.")],
    assignments: Set = [],  # noqa: B006 - typer copies it
    plugin: PluginFiles = [],  # noqa: B006
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Print the experiment with every default, as TOML.")
    ] = False,
) -> None:
    """Check every key, name and value of an experiment file, without building or training anything.

    [bold]Examples[/]

      seqforge check experiments/first-run.toml

      seqforge check experiments/first-run.toml --set training.batch_size=32 --resolved
    """
    from seqforge.experiment import Experiment

    checked = Experiment.load(experiment, assignments, context.obj)
    if resolved:
        typer.echo(checked.to_toml(), nl=False)
        return
    typer.echo(f"{experiment}: valid")
    for kind, components in _components(checked).items():
        names = [component.name for component in components]
        counted = [name if names.count(name) == 1 else f"{names.count(name)} × {name}" for name in dict.fromkeys(names)]
        if names:
            typer.echo(f"  {kind:<12} {', '.join(counted)}")


def _components(experiment: "Experiment") -> dict[str, list["Component"]]:
    """Return the components of an experiment by kind, in the order in which data flows through them."""
    return {
        "corpus": [experiment.corpus],
        "vocabulary": [experiment.vocabulary],
        "cells": [*experiment.cells],
        "attention": [experiment.attention] if experiment.attention else [],
        "initializer": [experiment.initializer],
        "loss": [experiment.loss],
        "optimizer": [experiment.optimizer],
        "schedule": [experiment.schedule],
        "samplers": [*experiment.samplers],
        "metrics": [*experiment.metrics],
        "trackers": [*experiment.trackers],
    }
