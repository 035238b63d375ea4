"""`seqforge schema`."""

import json

import typer


def schema(context: typer.Context) -> None:
    """Print the JSON Schema of experiment files, installed plugins included, for your editor.

    [bold]Example[/]

      seqforge schema > experiment.schema.json

    Then write [bold]#:schema ./experiment.schema.json[/] on the first line of an experiment: editors with Taplo
    (Even Better TOML) complete and check as you type.
    """
    from seqforge.experiment import json_schema

    typer.echo(json.dumps(json_schema(context.obj), indent=2))
