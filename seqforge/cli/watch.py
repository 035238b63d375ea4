"""`seqforge watch`."""

import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from seqforge.cli.options import PluginFiles, RunFolder, open_run
from seqforge.errors import RunError, quote_path

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
