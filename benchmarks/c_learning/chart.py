"""Draw a line chart in which every line has its name and its last value at its end."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.c_learning.picture import write_picture, write_text

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 400, 60, 410, 62, 338
_LINE_HEIGHT = 21
"""Smallest distance between two names, in pixels."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart.

    Attributes:
        name: Name of the line.
        color: Name of its color.
        points: Share by horizontal position.
        dashed: Whether the line is dashed.
    """

    name: str
    color: str
    points: Mapping[float, float]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of shares, on a logarithmic horizontal axis.

    Attributes:
        title: What the chart shows.
        axis: What the horizontal axis shows.
        ticks: Labels of the horizontal axis, by position.
        lines: The lines, none of them empty.
        highest: Upper end of the vertical axis.
        ground: A share that the lines approach, and its name.
    """

    title: str
    axis: str
    ticks: Mapping[float, str]
    lines: Sequence[Line]
    highest: float = 1.0
    ground: tuple[float, str] | None = None

    def draw(self) -> str:
        """Return the chart as SVG."""
        parts = [write_text(16, 32, self.title, bold=True, size=18), *self._draw_axes()]
        for line in self.lines:
            dashes = ' stroke-dasharray="6 4"' if line.dashed else ""
            points = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in sorted(line.points.items()))
            style = f'fill="none" stroke="var(--{line.color})" stroke-width="2.5" stroke-linejoin="round"{dashes}'
            parts.append(f'<polyline points="{points}" {style}/>')
        parts += self._draw_names()
        return write_picture(_WIDTH, _HEIGHT, self.title, parts)

    def _x(self, position: float) -> float:
        first, last = (math.log(bound) for bound in (min(self.ticks), max(self.ticks)))
        return _LEFT + (_RIGHT - _LEFT) * (math.log(position) - first) / ((last - first) or 1.0)

    def _y(self, share: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * share / self.highest

    def _draw_axes(self) -> list[str]:
        parts: list[str] = []
        for quarter in range(5):
            share = self.highest * quarter / 4
            y = self._y(share)
            parts.append(f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--grid)"/>')
            parts.append(write_text(_LEFT - 8, y + 5, f"{100 * share:g} %", anchor="end", color="quiet", size=14))
        parts += [
            write_text(self._x(position), _BOTTOM + 22, label, anchor="middle", color="quiet", size=14)
            for position, label in self.ticks.items()
        ]
        parts.append(write_text((_LEFT + _RIGHT) / 2, _BOTTOM + 48, self.axis, anchor="middle", color="quiet", size=14))
        if self.ground:
            y = self._y(self.ground[0])
            parts.append(
                f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--ink)" stroke-width="2.5"/>'
            )
        return parts

    def _draw_names(self) -> list[str]:
        """Draw the name of each line at its end, moved apart where ends are close."""
        ends = [(*max(line.points.items()), line.name, line.color) for line in self.lines]
        if self.ground:
            ends.append((max(self.ticks), self.ground[0], self.ground[1], "ink"))
        ends.sort(key=lambda end: -end[1])
        heights = spread([self._y(share) for _, share, _, _ in ends], _LINE_HEIGHT, _BOTTOM + 4)
        parts: list[str] = []
        for (position, share, name, color), height in zip(ends, heights, strict=True):
            x, y = self._x(position), self._y(share)
            parts.append(
                f'<polyline points="{x:.1f},{y:.1f} {_RIGHT + 4},{y:.1f} {_RIGHT + 14},{height:.1f}" fill="none" '
                f'stroke="var(--{color})" stroke-opacity="0.5"/>'
            )
            parts.append(write_text(_RIGHT + 18, height + 5, name, color=color, bold=True, size=15))
        return parts


def spread(heights: Sequence[float], gap: float, lowest: float) -> list[float]:
    """Move heights apart, as little as a pass in each direction does.

    Args:
        heights: Ascending vertical coordinates.
        gap: Smallest distance of two of them.
        lowest: Largest coordinate of the last one.
    """
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + gap) if moved else height)
    limit = lowest
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - gap
    return moved
