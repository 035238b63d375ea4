"""`seqforge export` and `seqforge import`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqforge.cli.options import PluginFiles, RunName, SavedCheckpoint, complete_component, open_run
from seqforge.errors import RunError, quote_path
from seqforge.figures import describe_size


def export(
    context: typer.Context,
    run: RunName,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that is created, such as shared/my-model.")],
    checkpoint: SavedCheckpoint = "best",
    exporter: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Format of another program, such as onnx. Default: a model that seqforge reads.",
            autocompletion=complete_component("exporter"),
        ),
    ] = None,
    precision: Annotated[
        Literal["bfloat16", "float32"] | None,
        typer.Option(help="Type of the stored weights. bfloat16, the default, needs half the space."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an exported model in FOLDER. Its README.md is kept.")
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(metavar="USER/MODEL", help="Upload the folder to the Hugging Face Hub, as a model of this name."),
    ] = None,
    plugin: PluginFiles = [],
) -> None:
    """Write a trained model to a folder for sharing, or in a format that other programs run.

    The folder has the weights, the experiment and the vocabulary, with checksums. It works like a run directory for all
    commands that read a run, and needs no corpus to be sampled. It contains no optimizer state, so training cannot be
    resumed from it, but a new run can start from it with --initial. Complete its model card, README.md, before you
    share it.

    With --format, the target program reads the folder, and scores 1,000 symbols or predicts held-out
    examples. It has to compute what the run computes, or nothing is written.

    [bold]Examples[/]

      seqforge export runs/first-run shared/c-small

      seqforge export runs/first-run shared/c-small --checkpoint latest --replace

      seqforge sample shared/c-small

      seqforge export linux-small shared/linux-onnx --format onnx

      seqforge export runs/first-run shared/c-small --push me/c-small

      seqforge sample hf://me/c-small
    """
    from seqforge.api.export import CARD
    from seqforge.api.export import export as export_run
    from seqforge.api.export_format import export_format
    from seqforge.runs.hub import upload_model

    opened, checkpoint = open_run(context, run, checkpoint)
    if exporter is None:
        written = export_run(opened, folder, checkpoint=checkpoint, precision=precision or "bfloat16", replace=replace)
        message = f"The model card is {written.path / CARD}."
        folder = written.path
    else:
        if precision is not None or replace:
            option = "--precision" if precision is not None else "--replace"
            raise RunError(
                f"{option} does not apply to the format {exporter!r}",
                hint=f"Leave out {option}, or leave out --format.",
            )
        message = export_format(opened, folder, exporter, checkpoint=checkpoint).line()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    typer.echo(f"{folder}: {describe_size(size)}. {message}")
    if push is not None:
        typer.echo(f"Uploaded: {upload_model(folder, push)}")


def import_(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Description of the weights, or an exported folder.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that is created, such as shared/lm.")],
) -> None:
    """Write a language model of PyTorch or Keras as a model that seqforge can sample, score and train further.

    SOURCE is a TOML file that names the weights, or a folder that seqforge export --format transformers wrote. Nothing
    in it is executed.

    [bold]Example[/]: seqforge import lm.toml shared/lm
    """
    from seqforge.api.import_model import import_model

    written = import_model(source, folder).path
    typer.echo(f"The model is in {written}. To generate text: seqforge sample {quote_path(written)}")
