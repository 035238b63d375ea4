"""`seqforge check` and `seqforge schema`."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from seqforge.cli.options import PluginFiles, compose_experiment, with_experiment_options
from seqforge.kinds.table import KINDS


@with_experiment_options
def check(
    context: typer.Context,
    experiment: Annotated[
        Path | None,
        typer.Argument(
            metavar="[EXPERIMENT.toml|TEXT|FOLDER]", help="Experiment file, or a text as for `seqforge run`."
        ),
    ] = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Print the experiment with every default, as TOML.")
    ] = False,
) -> None:
    """Check every key, name and value of an experiment file, without building or training anything.

    The options that replace components and values are those of `seqforge run`.

    [bold]Examples[/]

      seqforge check experiments/first-run.toml

      seqforge check experiments/first-run.toml --cell gru

      seqforge check experiments/first-run.toml --set training.batch_size=32 --resolved
    """
    checked = compose_experiment(context, experiment)
    if resolved:
        typer.echo(checked.to_toml(), nl=False)
        return
    typer.echo(f"{experiment or 'the command line'}: valid")
    for kind, selected in checked.components.items():
        counts = Counter(component.name for component in selected)
        if counts:
            names = (f"{count} × {name}" if count > 1 else name for name, count in counts.items())
            typer.echo(f"  {KINDS[kind].attribute:<12} {', '.join(names)}")


def schema(
    context: typer.Context,
    plugin: PluginFiles = [],
) -> None:
    """Print the JSON Schema of experiment files, for your editor. It includes the components of installed plugins.

    [bold]Example[/]

      seqforge schema > experiment.schema.json

    Then write [bold]#:schema ./experiment.schema.json[/] on the first line of an experiment file. An editor with Taplo
    (Even Better TOML) then completes and checks the file while you type.
    """
    from seqforge.experiment.schema import json_schema

    typer.echo(json.dumps(json_schema(context.obj), indent=2))
