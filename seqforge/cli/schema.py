"""`seqforge schema`."""

import json

import typer

from seqforge.cli.options import PluginFiles


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
