"""`seqforge runs`."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seqforge.cli.terminal import Column, print_table, short_unit, stderr
from seqforge.errors import printable

if TYPE_CHECKING:
    from seqforge.runs.summary import RunSummary

STYLES = {"running": "cyan", "finished": "green", "interrupted": "yellow", "failed": "red", "damaged": "red"}


Order = Literal["changed", "name", "corpus", "model", "parameters", "steps", "time", "best", "state"]
"""Columns by which runs can be sorted."""


def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder that contains run directories.", show_default=True)
    ] = Path("runs"),
    sort: Annotated[
        Order, typer.Option(help="Column to sort by, in ascending order. By default, the newest run is last.")
    ] = "changed",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List runs: corpus, model, parameters, steps, training time, best validation value and state.

    The best value is in bits per character for text, and the loss for labelled examples. The state is running,
    finished, interrupted (by a signal or because the process was killed), failed, or damaged: it cannot be read. The
    folders inside the folder are searched too, such as that of a sweep.

    [bold]Examples[/]

      seqforge runs

      seqforge runs runs/my-sweep --sort best

      seqforge runs --json | jq '.[] | select(.state == "failed") | .path'
    """
    from seqforge.runs.summary import find_runs, summarize_run

    found = sorted(map(summarize_run, find_runs(folder)), key=lambda run: _sort_key(run, sort))
    if as_json:
        typer.echo(json.dumps([_record(run) for run in found], indent=2))
        return
    if not found:
        stderr().print(f"There is no run in {folder}. To start one: seqforge run EXPERIMENT.toml")
        return
    _print(found, folder)
    for run in found:
        if run.state in ("failed", "damaged"):
            stderr().print(printable(f"{run.path}: {run.state}: {run.reason}"))


def _sort_key(run: "RunSummary", order: Order) -> tuple[Any, ...]:
    """Return what runs are sorted by. Runs without a value are last, and equal ones are sorted by path."""
    values: dict[Order, tuple[Any, ...]] = {
        "name": (),
        "time": (run.seconds,),
        # Values of different units cannot be compared.
        "best": (run.best.unit == "", run.best.unit, math.inf if run.best.value is None else run.best.value),
        "parameters": (math.inf if run.parameters is None else run.parameters,),
    }
    return (*(values[order] if order in values else (getattr(run, order),)), str(run.path))


def _record(run: "RunSummary") -> dict[str, Any]:
    values = {name: value for name, value in asdict(run).items() if name != "table"}
    return {**values, "path": str(run.path), "best": run.best._asdict()}


def _print(found: "Sequence[RunSummary]", folder: Path) -> None:
    units = {run.best.unit for run in found if run.best.unit}
    best = "best" if len(units) != 1 else f"best {short_unit(*units)}"
    columns = [Column("run"), Column("corpus", is_optional=True), Column("model")]
    columns += [Column(name, is_number=True, is_optional=True) for name in ("params", "steps", "time")]
    columns.append(Column(best, is_number=True))
    print_table([*columns, Column("state", styles=STYLES)], [_row(run, folder, len(units) > 1) for run in found])


def _row(run: "RunSummary", folder: Path, has_unit: bool) -> list[str]:
    is_running = run.state == "running" and run.fraction is not None
    return [
        run.path.absolute().name if run.path == folder else os.path.relpath(run.path, folder),
        run.corpus,
        run.model,
        *run.figures(),
        f"{run.best} {run.best.unit.partition(' ')[0]}".rstrip() if has_unit else str(run.best),
        f"{run.state} {run.fraction:.0%}" if is_running else run.state,
    ]
