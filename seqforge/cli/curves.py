"""Curves as a picture of characters, by plotext."""

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from seqforge.errors import printable

COLORS = ("cyan", "magenta", "green", "yellow", "blue", "red")
"""Color of each curve on a terminal. The curves are drawn in the dots of braille characters."""

MARKERS = "•+x*o#%@"
"""Marker of each curve where there are no colors."""

ASCII = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")
"""Lines of the frame where the output cannot show those of Unicode."""

HEIGHT, POINTS, TICKS = 20, 500, 6
"""Height of the picture in lines, largest number of points of a curve, and number of values on the horizontal axis."""


def draw_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    axis: str,
    *,
    width: int,
    colored: bool,
    encoding: str = "utf-8",
) -> Text:
    """Draw curves in one picture, with a legend below it.

    Args:
        curves: Points of each curve, by its name; at least one curve has some.
        axis: Label of the horizontal axis.
        width: Width in characters.
        colored: Whether the curves differ by color; otherwise, they differ by marker.
        encoding: Encoding of the output. If it is not one of Unicode, the picture is in ASCII.
    """
    in_ascii = not encoding.lower().startswith("utf")
    markers = MARKERS.replace("•", ".") if in_ascii else MARKERS
    colored = colored and not in_ascii
    figure: Any = importlib.import_module("plotext")  # it has no annotations
    plot, legend = figure.figure, Text()
    plot.clear()
    plot.theme("simple" if colored else "colorless")
    plot.plot_size(width, HEIGHT)
    for index, (name, points) in enumerate(curves.items()):
        color, symbol = COLORS[index % len(COLORS)], markers[index % len(markers)]
        if points:
            chosen = [*points[:: -(-len(points) // POINTS)], *points[-1:]]
            marker = figure.marker("braille", color) if colored else symbol
            signal = plot.signal([x for x, _ in chosen], [y for _, y in chosen], marker=marker)
            signal.lines(len(chosen) > 1)
            plot.draw(signal)
        label = " ".join(printable(name).splitlines())
        legend.append("   " if index else "").append("━" if colored else symbol, color).append(f" {label}")
    values = [x for points in curves.values() for x, _ in points]
    ticks = round_ticks(min(values), max(values))
    plot.ruler("x").ticks(ticks, [f"{tick:,g}" for tick in ticks])
    plot.label(axis, "x")
    picture: str = plot.build().string(not colored)
    picture = picture.translate(ASCII) if in_ascii else picture
    return Text("\n").join([*(Text.from_ansi(line) for line in picture.splitlines()), legend])


def has_colors(console: Console) -> bool:
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
