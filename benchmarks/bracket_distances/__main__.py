"""Measure how well a model closes brackets, against the distance to the opening bracket.

For each closing bracket of held-out text, the command takes the probability of this bracket after the true text before
it. A model that only knows the last few characters, such as an n-gram model, cannot know which brackets are open
farther away. Karpathy, Johnson and Li 2015, "Visualizing and Understanding Recurrent Networks", compare LSTMs with
n-gram models in this way. The command prints a table in Markdown, with the mean probability of the right bracket and
its 95 % bootstrap interval, and draws a chart.

    python -m benchmarks.bracket_distances runs/linux-small --windows 256 --chart brackets.svg
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bracket_distances.measure import BracketScore, measure
from benchmarks.bracket_distances.pairs import CLOSING
from benchmarks.c_learning.chart import Chart, Line
from benchmarks.c_learning.scores import FEWEST
from benchmarks.report import Table
from seqforge import Run
from seqforge.registry.registry import Registry
from seqforge.runs.locate import locate

COLORS = ("blue", "orange", "purple", "quiet")
"""Colors of the model and of the n-gram models, from the longest to the shortest."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and draw the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run directory of a language model of C, or a model such as linux-small")
    parser.add_argument("--brackets", default=CLOSING, help="closing brackets to measure")
    parser.add_argument("--orders", type=int, nargs="*", default=[20, 10, 5], help="characters that n-gram models read")
    parser.add_argument("--windows", type=int, default=64, help="number of windows of held-out text")
    parser.add_argument("--length", type=int, default=2000, help="characters of each window")
    parser.add_argument("--checkpoint", default="best", help="best, latest, a step such as 500, or initial")
    parser.add_argument("--chart", type=Path, help="SVG file to write the chart to")
    options = parser.parse_args(arguments)
    registry = Registry.installed()
    path, step = locate(options.run, registry)
    found = measure(
        Run.open(path, registry=registry),
        options.brackets,
        options.orders,
        windows=options.windows,
        length=options.length,
        checkpoint=step or options.checkpoint,
        report=lambda _: None,
    )
    print(tabulate(found).markdown())
    if options.chart:
        options.chart.write_text(draw(found), encoding="utf-8")


def tabulate(found: Sequence[BracketScore]) -> Table:
    """Return a table of the probabilities."""
    names = list(found[0].probability)
    rows = [
        [f"{each.shortest:,}–{each.longest:,}", f"{each.brackets:,}", *(_cell(each, name) for name in names)]
        for each in found
    ]
    return Table("Probability of the right closing bracket", ["distance", "brackets", *names], rows)


def _cell(each: BracketScore, name: str) -> str:
    interval = each.intervals.get(name)
    shown = f" [{100 * interval.low:.3g}, {100 * interval.high:.3g}]" if interval else ""
    return f"{100 * each.probability[name]:.3g} %{shown}"


def draw(found: Sequence[BracketScore]) -> str:
    """Return a chart of the ranges with at least `FEWEST` brackets, in SVG."""
    found = [each for each in found if each.brackets >= FEWEST]
    lines = [
        Line(
            "LSTM" if name == "model" else name,
            color,
            {each.shortest: each.probability[name] for each in found},
            dashed=name != "model",
        )
        for name, color in zip(found[0].probability, COLORS, strict=False)
    ]
    ticks = {each.shortest: f"{each.shortest:,}" for each in found[::2]} | {found[-1].shortest: ""}
    axis = "characters since the opening bracket, at least"
    return Chart("How probable is the right closing bracket?", axis, ticks, lines).draw()


if __name__ == "__main__":
    main()
