"""Plot the error rates of checkpoints, n-gram models and real code, as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.c_learning.scores import ERRORS, Share

PANELS = {
    "Syntax": {
        "parsed": "#222222",
        "brackets": "#d1480f",
        "indentation": "#1f6feb",
        "strings": "#2da44e",
        "comments": "#a475f9",
    },
    "Names": {
        "undefined": "#d1480f",
        "undefined_novel": "#1f6feb",
        "returns_undeclared": "#2da44e",
        "unused": "#a475f9",
        "missing_label": "#222222",
    },
}
"""Error rates of each panel and their colors."""

LEAST = 1e-3
"""Lower end of the vertical axis. Smaller shares are drawn there."""

FEWEST = 30
"""Smallest number of cases of the shares that are drawn."""

_WIDTH, _HEIGHT, _TOP, _BOTTOM = 900, 470, 50, 330
_PANEL, _LEFT, _BASELINE = 370, 60, 62


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the plot.

    Attributes:
        left: Horizontal coordinate of its left edge, in pixels.
        steps: Steps of the checkpoints, ascending.
        baselines: Names of the baselines.
    """

    left: float
    steps: Sequence[int]
    baselines: Sequence[str]

    def x_of_step(self, step: int) -> float:
        """Return the horizontal coordinate of a checkpoint, on a logarithmic axis."""
        first, last = math.log(self.steps[0]), math.log(self.steps[-1])
        width = _PANEL - _BASELINE * len(self.baselines) - 36
        return self.left + 10 + width * (math.log(step) - first) / max(last - first, 1e-9)

    def x_of_baseline(self, name: str) -> float:
        """Return the horizontal coordinate of a baseline."""
        return self.left + _PANEL - _BASELINE * (len(self.baselines) - self.baselines.index(name) - 0.5)


def y_of_share(share: float) -> float:
    """Return the vertical coordinate of a share, on a logarithmic axis."""
    return _TOP + (_BOTTOM - _TOP) * math.log(max(share, LEAST)) / math.log(LEAST)


def plot(checkpoints: Mapping[int, Mapping[str, Share]], baselines: Mapping[str, Mapping[str, Share]]) -> str:
    """Draw the plot, and return it as SVG.

    Args:
        checkpoints: Shares by name, for each step.
        baselines: Shares by name, for each baseline.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Error rates in samples by training step">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for number, (title, colors) in enumerate(PANELS.items()):
        panel = Panel(_LEFT + number * (_PANEL + 60), sorted(checkpoints), list(baselines))
        parts += draw_axes(panel, title)
        for line, (name, color) in enumerate(colors.items()):
            parts += draw_curve(panel, {step: shares[name] for step, shares in checkpoints.items()}, color)
            for baseline, shares in baselines.items():
                parts += draw_point(panel.x_of_baseline(baseline), shares[name], color)
            y = _BOTTOM + 56 + 17 * line
            parts.append(f'<line x1="{panel.left}" x2="{panel.left + 20}" y1="{y}" y2="{y}" stroke="{color}" '
                         f'stroke-width="2"/>' + draw_text(panel.left + 28, y + 4, ERRORS[name], "start"))  # fmt: skip
    return "\n".join([*parts, "</svg>"]) + "\n"


def draw_text(x: float, y: float, content: str, anchor: str = "middle", weight: str = "normal") -> str:
    """Draw a label."""
    attributes = f'text-anchor="{anchor}" font-weight="{weight}" fill="#222"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(content)}</text>'


def draw_axes(panel: Panel, title: str) -> list[str]:
    """Draw the axes and their labels."""
    parts = [draw_text(panel.left + _PANEL / 2, 28, title, weight="bold")]
    for exponent in range(round(math.log10(LEAST)), 1):
        y = y_of_share(10.0**exponent)
        parts.append(f'<line x1="{panel.left}" x2="{panel.left + _PANEL}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(draw_text(panel.left - 6, y + 4, f"{100 * 10.0**exponent:g}%", "end"))
    parts += [draw_text(panel.x_of_step(step), _BOTTOM + 18, f"{step:,}") for step in panel.steps[::2]]
    center = (panel.x_of_step(panel.steps[0]) + panel.x_of_step(panel.steps[-1])) / 2
    parts.append(draw_text(center, _BOTTOM + 36, "steps"))
    parts += [draw_text(panel.x_of_baseline(name), _BOTTOM + 18, name) for name in panel.baselines]
    return parts


def draw_curve(panel: Panel, shares: Mapping[int, Share], color: str) -> list[str]:
    """Draw the curve of an error rate over training."""
    known = [(panel.x_of_step(step), share) for step, share in sorted(shares.items()) if share.total >= FEWEST]
    points = " ".join(f"{x:.1f},{y_of_share(share.value):.1f}" for x, share in known)
    line = f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>'
    return [line, *(part for x, share in known for part in draw_point(x, share, color))]


def draw_point(x: float, share: Share, color: str) -> list[str]:
    """Draw an error rate with its confidence interval."""
    if share.total < FEWEST:
        return []
    y, low, high = y_of_share(share.value), y_of_share(share.low), y_of_share(share.high)
    return [
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{color}" stroke-opacity="0.4"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>',
    ]
