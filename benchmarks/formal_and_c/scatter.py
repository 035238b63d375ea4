"""Draw scatter plots side by side, with a name at each point."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.c_learning.chart import spread
from benchmarks.c_learning.picture import write_picture, write_text

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 500, 400, 56, 316, 84, 338
"""Size of a plot, and its edges, in pixels."""

_LINE_HEIGHT = 17
"""Smallest distance between two names, in pixels."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """A scatter plot of two shares.

    Attributes:
        title: What the plot shows.
        subtitle: Its result, such as a correlation.
        axis: What the horizontal axis shows.
        points: Horizontal and vertical share by name, at least one of them.
    """

    title: str
    subtitle: str
    axis: str
    points: Mapping[str, tuple[float, float]]


def draw_scatters(description: str, plots: Sequence[Scatter]) -> str:
    """Return plots side by side, as one picture in SVG."""
    parts = [
        f'<g transform="translate({_WIDTH * number} 0)">{"".join(_draw(plot))}</g>' for number, plot in enumerate(plots)
    ]
    return write_picture(_WIDTH * len(plots), _HEIGHT, description, parts)


def _draw(plot: Scatter) -> list[str]:
    parts = [
        write_text(16, 30, plot.title, bold=True, size=16),
        write_text(16, 52, plot.subtitle, color="quiet", size=14),
        write_text((_LEFT + _RIGHT) / 2, _BOTTOM + 46, plot.axis, anchor="middle", color="quiet", size=14),
    ]
    across, up = (_find_range([point[part] for point in plot.points.values()]) for part in range(2))
    for quarter in range(0, 5, 2):
        x, y = _LEFT + (_RIGHT - _LEFT) * quarter / 4, _BOTTOM - (_BOTTOM - _TOP) * quarter / 4
        parts += [
            f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--grid)"/>',
            write_text(_LEFT - 8, y + 5, _format(up, quarter), anchor="end", color="quiet", size=14),
            write_text(x, _BOTTOM + 22, _format(across, quarter), anchor="middle", color="quiet", size=14),
        ]
    places = {
        name: (
            _LEFT + (_RIGHT - _LEFT) * (x - across[0]) / (across[1] - across[0]),
            _BOTTOM - (_BOTTOM - _TOP) * (y - up[0]) / (up[1] - up[0]),
        )
        for name, (x, y) in plot.points.items()
    }
    names = sorted(places, key=lambda name: places[name][1])
    heights = spread([places[name][1] for name in names], _LINE_HEIGHT, _BOTTOM + 4)
    for name, height in zip(names, heights, strict=True):
        x, y = places[name]
        parts += [
            f'<polyline points="{x:.1f},{y:.1f} {_RIGHT + 4},{height:.1f}" fill="none" stroke="var(--quiet)" '
            'stroke-opacity="0.35"/>',
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="var(--blue)"/>',
            write_text(_RIGHT + 8, height + 5, name, size=13),
        ]
    return parts


def _find_range(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis: the next multiples of 10% around the values."""
    low = math.floor(10 * min(values)) / 10
    return low, max(math.ceil(10 * max(values)) / 10, low + 0.1)


def _format(ends: tuple[float, float], quarter: int) -> str:
    return f"{100 * (ends[0] + (ends[1] - ends[0]) * quarter / 4):.3g} %"
