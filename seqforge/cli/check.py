"""`seqforge check`."""

from pathlib import Path
from typing import Annotated

import typer

from seqforge.cli.options import PluginFiles, Set


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
    layers = ", ".join(cell.name for cell in checked.cells)
    typer.echo(
        f"{experiment}: valid. Corpus {checked.corpus.name}, vocabulary {checked.vocabulary.name}, cells {layers}, "
        f"optimizer {checked.optimizer.name}"
    )
