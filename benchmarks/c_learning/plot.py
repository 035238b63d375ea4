"""Shares of faults by the moment of training, beside those of n-gram models and of real code, as an SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.c_learning.scores import FAULTS, Share

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
"""By the title of a panel, its figures and their colours."""

LEAST = 1e-3
"""The share at the lower end of the axis; what is smaller stands there."""

FEWEST = 30
"""A share of fewer than these is not drawn."""

_WIDTH, _HEIGHT, _TOP, _BOTTOM = 900, 470, 50, 330
_PANEL, _LEFT, _OTHER = 370, 60, 62


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of the picture.

    Attributes:
        left: Its left edge.
        moments: Steps of training, ascending.
        others: What stands beside them.
    """

    left: float
    moments: Sequence[int]
    others: Sequence[str]

    def moment(self, step: int) -> float:
        """Place a moment: two of which one is twice the other are equally far apart."""
        first, last = math.log(self.moments[0]), math.log(self.moments[-1])
        wide = _PANEL - _OTHER * len(self.others) - 36
        return self.left + 10 + wide * (math.log(step) - first) / max(last - first, 1e-9)

    def other(self, name: str) -> float:
        """Place what is no moment."""
        return self.left + _PANEL - _OTHER * (len(self.others) - self.others.index(name) - 0.5)


def height(share: float) -> float:
    """Place a share on a logarithmic axis."""
    return _TOP + (_BOTTOM - _TOP) * math.log(max(share, LEAST)) / math.log(LEAST)


def plot(moments: Mapping[int, Mapping[str, Share]], others: Mapping[str, Mapping[str, Share]]) -> str:
    """Draw the picture.

    Args:
        moments: By step, the shares by name.
        others: The same by what stands beside them.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Faults in samples by the moment of training">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for number, (title, colours) in enumerate(PANELS.items()):
        panel = Panel(_LEFT + number * (_PANEL + 60), sorted(moments), list(others))
        parts += axes(panel, title)
        for line, (name, colour) in enumerate(colours.items()):
            parts += curve(panel, {step: shares[name] for step, shares in moments.items()}, colour)
            for other, shares in others.items():
                parts += point(panel.other(other), shares[name], colour)
            y = _BOTTOM + 56 + 17 * line
            parts.append(f'<line x1="{panel.left}" x2="{panel.left + 20}" y1="{y}" y2="{y}" stroke="{colour}" '
                         f'stroke-width="2"/>' + text(panel.left + 28, y + 4, FAULTS[name], "start"))  # fmt: skip
    return "\n".join([*parts, "</svg>"]) + "\n"


def text(x: float, y: float, content: str, anchor: str = "middle", weight: str = "normal") -> str:
    """Write a label."""
    attributes = f'text-anchor="{anchor}" font-weight="{weight}" fill="#222"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(content)}</text>'


def axes(panel: Panel, title: str) -> list[str]:
    """Draw what is behind the curves."""
    parts = [text(panel.left + _PANEL / 2, 28, title, weight="bold")]
    for exponent in range(round(math.log10(LEAST)), 1):
        y = height(10.0**exponent)
        parts.append(f'<line x1="{panel.left}" x2="{panel.left + _PANEL}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(text(panel.left - 6, y + 4, f"{100 * 10.0**exponent:g}%", "end"))
    parts += [text(panel.moment(step), _BOTTOM + 18, f"{step:,}") for step in panel.moments[::2]]
    parts.append(text((panel.moment(panel.moments[0]) + panel.moment(panel.moments[-1])) / 2, _BOTTOM + 36, "steps"))
    parts += [text(panel.other(name), _BOTTOM + 18, name) for name in panel.others]
    return parts


def curve(panel: Panel, shares: Mapping[int, Share], colour: str) -> list[str]:
    """Draw how a share changes with training."""
    known = [(panel.moment(step), share) for step, share in sorted(shares.items()) if share.total >= FEWEST]
    points = " ".join(f"{x:.1f},{height(share.value):.1f}" for x, share in known)
    line = f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
    return [line, *(part for x, share in known for part in point(x, share, colour))]


def point(x: float, share: Share, colour: str) -> list[str]:
    """Draw a share with its interval."""
    if share.total < FEWEST:
        return []
    y, low, high = height(share.value), height(share.low), height(share.high)
    return [
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}" stroke-opacity="0.4"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>',
    ]
