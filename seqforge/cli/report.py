"""`seqforge report`."""

from pathlib import Path
from typing import Annotated

import typer

from seqforge.cli.completion import complete_run
from seqforge.cli.options import CheckpointName, Device, PluginFiles, SetOfRun, open_run
from seqforge.cli.terminal import stderr
from seqforge.storage.files import check_output


def report(
    context: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Run directories, such as runs/first-run, or models, such as linux-small.",
            autocompletion=complete_run,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="HTML file to write. Default: report.html in the first run, or MODEL.html."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Text that is colored by the model's confidence. Default: held-out text."),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    assignments: SetOfRun = [],
    plugin: PluginFiles = [],
    checkpoint: CheckpointName = "best",
    device: Device = "auto",
) -> None:
    """Write a report about one or several runs, as one HTML page.

    The page shows the settings of the run, the curves, the samples with their
    errors marked, the confidence of the model in each symbol of a text, the
    units that represent a property of the text, and the bits per character with
    and without a carried state. For labelled examples, it shows the confusion
    matrix and the worst examples.

    The page contains everything that it needs, so you can send it to others.

    [bold]Examples[/]

      seqforge report runs/first-run --open

      seqforge report runs/first-run --text "static int main(void)" --output report.html

      seqforge report runs/lstm runs/gru --output comparison.html
    """
    from seqforge.api.progress import ProgressDisplay
    from seqforge.hardware.memory import keep_freed_memory
    from seqforge.report import write_report
    from seqforge.runs.loaded_run import LoadedRun

    if output is not None:
        check_output(output)
    keep_freed_memory()
    with ProgressDisplay(stderr()) as display:
        subjects: list[LoadedRun] = []
        for name in runs:
            run, step = open_run(context, name, checkpoint)
            subjects.append(run.load(step, device, report=display.report))
        page = write_report(subjects, text)
    folder, registry = subjects[0].directory.path, subjects[0].experiment.registry
    is_model = any(model.folder == folder for model in registry.models)
    file = output or (Path(f"{folder.name}.html") if is_model else folder / "report.html")
    page.save(file)
    typer.echo(file)
    if open_page:
        import webbrowser

        webbrowser.open(file.absolute().as_uri())
