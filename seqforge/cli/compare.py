"""`seqforge compare`."""

import importlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seqforge.cli.options import PluginFiles, RunNames
from seqforge.cli.terminal import Column, print_table, short_unit, stderr, stdout
from seqforge.errors import printable
from seqforge.figures import format_estimate
from seqforge.registry.problems import format_value

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from seqforge.runs.summary import RunSummary

PIPE_WIDTH = 100
"""Width of the picture if the output is not a terminal."""

WIDEST = 140
"""Largest width of the picture on a terminal."""

COLORS = ("cyan", "magenta", "green", "yellow", "blue", "red")
"""Color of each curve on a terminal. The curves are drawn in the dots of braille characters."""

MARKERS = "•+x*o#%@"
"""Marker of each curve where there are no colors."""

HEIGHT, POINTS, TICKS = 20, 500, 6
"""Height of the picture in lines, largest number of points of a curve, and number of values on the horizontal axis."""


def compare(
    context: typer.Context,
    runs: RunNames,
    axis: Annotated[
        Literal["step", "seconds"],
        typer.Option(help="Horizontal axis of the curves: optimizer steps, or training time."),
    ] = "step",
    intervals: Annotated[
        bool,
        typer.Option(
            "--intervals",
            help="Evaluate the best checkpoint of each run again, on the whole validation split, for 95 % bootstrap "
            "intervals of its loss and of the difference to the first run.",
        ),
    ] = False,
    plugin: PluginFiles = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object, with the curves.")] = False,
) -> None:
    """Compare runs: the settings in which they differ, their final figures, and their curves in one picture.

    A folder that contains runs, such as that of a sweep, stands for all of them. The best value of a language model is
    shown with the 95 % bootstrap interval that was computed during training. With --intervals, the best checkpoint of
    each run scores the whole validation split again, in blocks of text, or each labelled example alone. Runs on the
    same held-out data are compared block by block, which shows smaller differences. A difference is larger than the
    noise of the data if its interval does not contain 0. The metrics of the last samples are compared, too; they have
    intervals if at least 20 samples were drawn.

    [bold]Examples[/]

      seqforge compare runs/first-run runs/first-run-2

      seqforge compare runs/lstm runs/gru --axis seconds --intervals

      seqforge compare runs/my-sweep --json
    """
    from seqforge.runs.comparison import (
        DATA_KEYS,
        compare_samples,
        differing_settings,
        loss_curves,
        summarize_all,
        tabulate_runs,
    )
    from seqforge.runs.locate import find_run

    summaries = summarize_all([find_run(name, context.obj) for name in runs])
    rows = tabulate_runs(summaries)
    quantity, curves = loss_curves(summaries, axis)
    samples = compare_samples(summaries)
    if intervals:
        from seqforge.api.compare import evaluate_runs
        from seqforge.api.progress import ProgressDisplay
        from seqforge.api.run import Run

        opened = [Run.open(run.path, registry=context.obj) for run in summaries]
        with ProgressDisplay(stderr()) as display:
            found = evaluate_runs(opened, "validation", "auto", display.on_work_progressed)
        for row, values in zip(rows, found, strict=True):
            row.update(values)
    if as_json:
        records = [
            {"path": str(run.path), **row, "curve": curve}
            for run, row, curve in zip(summaries, rows, curves, strict=True)
        ]
        sampled = {name: [each._asdict() if each else None for each in found] for name, found in samples.items()}
        typer.echo(json.dumps({"quantity": quantity, "runs": records, "samples": sampled}, indent=2))
        return
    names = [row["run"] for row in rows]
    settings = differing_settings([run.table for run in summaries])
    _print_settings(names, settings)
    _print_figures(summaries, rows)
    if data := [key for key in settings if key.startswith(DATA_KEYS)]:
        stdout().print(f"\nLosses of different text cannot be compared: {', '.join(data)} may select other text.")
    if samples:
        stdout().print("\nThe last samples, with the difference to the first run:", style="bold")
        columns = [Column("metric"), *map(Column, names)]
        print_table(columns, [[name, *(str(value or "–") for value in found)] for name, found in samples.items()])
    if any(curves):
        console = stdout()
        width = min(console.width, WIDEST) if console.is_terminal else PIPE_WIDTH
        named = dict(zip(names, curves, strict=True))
        console.print(f"\n{quantity}", style="bold")
        console.print(draw_curves(named, axis, width=width, colored=has_colors(console)))


def _print_settings(names: list[str], settings: dict[str, list[Any]]) -> None:
    if not settings:
        stdout().print("The experiments are equal.\n")
        return
    columns = [Column("setting"), *(Column(name) for name in names)]
    print_table(columns, [[key, *(_format(value) for value in values)] for key, values in settings.items()])
    stdout().print()


def _format(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else format_value(value)


def _print_figures(summaries: "Sequence[RunSummary]", rows: Sequence[Mapping[str, Any]]) -> None:
    units = dict.fromkeys(run.best.unit for run in summaries if run.best.unit)
    columns = [Column("run"), *(Column(name, is_number=True) for name in ("params", "steps", "time"))]
    columns += [Column(f"best {short_unit(unit)}", is_number=True) for unit in units]
    evaluated = "validation_mean" in rows[0]
    if evaluated:
        first = rows[0]["run"]
        columns += [Column("evaluated", is_number=True), Column("95 % interval"), Column(f"difference to {first}")]
    cells: list[list[str]] = []
    for run, row in zip(summaries, rows, strict=True):
        best = [run.best.estimate() if run.best.unit == unit else "–" for unit in units]
        cells.append([row["run"], *run.figures(), *best, *(_evaluated_cells(row) if evaluated else [])])
    print_table(columns, cells)


def _evaluated_cells(row: Mapping[str, Any]) -> list[str]:
    interval = "–" if row["low"] is None else f"[{row['low']:.4f}, {row['high']:.4f}]"
    bounds = None if row["difference_low"] is None else (row["difference_low"], row["difference_high"])
    return [f"{row['validation_mean']:.4f}", interval, format_estimate(row["difference"], bounds, "+")]


def draw_curves(curves: Mapping[str, Sequence[tuple[float, float]]], axis: str, *, width: int, colored: bool) -> "Text":
    """Draw curves, at least one of which has points, in a picture whose width is in characters, with a legend below.

    The curves differ by color, or else by marker.
    """
    from rich.text import Text

    figure: Any = importlib.import_module("plotext")  # it has no annotations
    plot, legend = figure.figure, Text()
    plot.clear()
    plot.theme("simple" if colored else "colorless")
    plot.plot_size(width, HEIGHT)
    for index, (name, points) in enumerate(curves.items()):
        color, symbol = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
        if points:
            chosen = [*points[:: -(-len(points) // POINTS)], *points[-1:]]
            marker = figure.marker("braille", color) if colored else symbol
            signal = plot.signal([x for x, _ in chosen], [y for _, y in chosen], marker=marker)
            signal.lines(True)
            plot.draw(signal)
        label = " ".join(printable(name).splitlines())
        legend.append("   " if index else "").append("━" if colored else symbol, color).append(f" {label}")
    values = [x for points in curves.values() for x, _ in points]
    ticks = round_ticks(min(values), max(values))
    plot.ruler("x").ticks(ticks, [f"{tick:,g}" for tick in ticks])
    plot.label(axis, "x")
    picture: str = plot.build().string(not colored)
    return Text("\n").join([*(Text.from_ansi(line) for line in picture.splitlines()), legend])


def has_colors(console: "Console") -> bool:
    """Return whether curves can differ by color: not in a pipe, and not if the variable NO_COLOR is set."""
    return console.is_terminal and console.color_system is not None and not console.no_color


def round_ticks(low: float, high: float) -> list[float]:
    """Return about six round numbers between two limits, such as 0, 2000, 4000."""
    width = (high - low) / TICKS
    if width <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(width))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= width)
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
