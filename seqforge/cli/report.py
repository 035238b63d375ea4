"""`seqforge report` and `seqforge watch`: a page about runs, and one that follows a run."""

import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from seqforge.cli.options import CheckpointName, Device, PluginFiles, RunFolder, RunNames, SetOfRun, open_run
from seqforge.cli.terminal import stderr
from seqforge.errors import RunError, quote_path
from seqforge.storage.files import check_output


def report(
    context: typer.Context,
    runs: RunNames,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="HTML file. Default: RUN/report.html, MODEL.html, or comparison.html."),
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
    from seqforge.hardware import keep_freed_memory
    from seqforge.report.report import write_report
    from seqforge.runs.hub import PREFIX
    from seqforge.runs.loaded_run import LoadedRun

    if output is not None:
        check_output(output)
    keep_freed_memory()
    with ProgressDisplay(stderr()) as display:
        subjects: list[LoadedRun] = []
        for name in runs:
            run, step = open_run(context, name, checkpoint)
            subjects.append(run.load(step, device, report=display.on_work_progressed))
        page = write_report(subjects, text)
    folder, registry = subjects[0].directory.path, subjects[0].experiment.registry
    is_model = runs[0].startswith(PREFIX) or any(model.folder == folder for model in registry.models)
    own = Path(f"{folder.name}.html") if is_model else folder / "report.html"
    file = output or (own if len(subjects) == 1 else Path("comparison.html"))
    page.save(file)
    typer.echo(file)
    if open_page:
        import webbrowser

        webbrowser.open(file.absolute().as_uri())


LAST_SECONDS = 6.0
"""Seconds after the end of the run in which the page still receives the last values."""


def watch(
    context: typer.Context,
    run: RunFolder,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 for a free one.")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    plugin: PluginFiles = [],
) -> None:
    """Follow a run in the browser while it trains.

    The page shows the curves and the samples, and reads new ones every two
    seconds. Only this machine can open it. The command ends with the run, or
    with Ctrl-C, which does not affect the run.

    [bold]Examples[/]

      seqforge watch runs/first-run --open

      ssh -L 8000:127.0.0.1:8000 server seqforge watch runs/first-run --port 8000
    """
    from seqforge.report.live import ADDRESS, LiveRun, make_server
    from seqforge.runs.history import read_state

    opened, _ = open_run(context, run)
    folder = opened.path
    state, _ = read_state(folder)
    if state != "running":
        raise RunError(f"{folder}: no process trains this run: it is {state}", hint=_see(folder))
    live = LiveRun(opened.load())
    try:
        server = make_server(live, port)
    except OSError as error:
        raise RunError(f"port {port}: {error.strerror}", hint="Choose another port, or 0 for a free one.") from error
    address = f"http://{ADDRESS}:{server.server_address[1]}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    typer.echo(f"{address} follows {folder}. Ctrl-C ends this command, not the run.")
    if open_page:
        import webbrowser

        webbrowser.open(address)
    try:
        while read_state(folder)[0] == "running":
            time.sleep(1.0)
        time.sleep(LAST_SECONDS)
        state, reason = read_state(folder)
        typer.echo(f"The run is {state}{f': {reason}' if reason else ''}. {_see(folder)}")
    except KeyboardInterrupt:
        typer.echo("")
    finally:
        server.shutdown()
        server.server_close()


def _see(folder: Path) -> str:
    return f"To see the whole report: seqforge report {quote_path(folder)} --open"
