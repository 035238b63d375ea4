"""`seqforge export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqforge.cli.options import CheckpointName, PluginFiles, RunName, open_run
from seqforge.figures import describe_size


def export(
    context: typer.Context,
    run: RunName,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that is created, such as shared/my-model.")],
    checkpoint: CheckpointName = "best",
    precision: Annotated[
        Literal["bfloat16", "float32"],
        typer.Option(help="Type of the stored weights. bfloat16 needs half the space."),
    ] = "bfloat16",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an exported model in FOLDER. Its README.md is kept.")
    ] = False,
    plugin: PluginFiles = [],
) -> None:
    """Write a trained model to a folder for sharing: its weights, experiment and vocabulary, with checksums.

    The folder works like a run directory for all commands that read a run, and needs no corpus to be sampled. It
    contains no optimizer state, so training cannot be resumed from it, but a new run can start from it with --initial.
    Complete its model card, README.md, before you share it.

    [bold]Examples[/]

      seqforge export runs/first-run shared/c-small

      seqforge export runs/first-run shared/c-small --checkpoint latest --replace

      seqforge sample shared/c-small
    """
    from seqforge.api import export as export_run
    from seqforge.api.export import CARD

    opened, checkpoint = open_run(context, run, checkpoint)
    written = export_run(opened, folder, checkpoint=checkpoint, precision=precision, replace=replace)
    size = sum(path.stat().st_size for path in written.path.rglob("*") if path.is_file())
    typer.echo(f"{written.path}: {describe_size(size)}. The model card is {written.path / CARD}.")
