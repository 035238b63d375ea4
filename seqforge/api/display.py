"""The display of a run: one line of text, or HTML with the loss curve and the last sample."""

import html
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from seqforge.events import Mark
from seqforge.figures import describe_count
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.runs.metrics_log import read_metrics, tabulate_losses
from seqforge.runs.samples import SAMPLE, find_samples
from seqforge.storage.files import read_bounded, reported_failures

WIDTH, HEIGHT, MARGIN = 480, 180, 44
"""Width and height of the plot, and width of the margin for its labels, in pixels."""

POINTS = 240
"""Maximum number of points of a curve."""

COLORS = {"training": "#8888aa", "validation": "#cc5522"}
"""Color of each curve."""


def summary_line(run: RunDirectory) -> str:
    """Describe a run in one line: its path, the step of its latest checkpoint, and its last loss."""
    steps = Checkpoints(run.checkpoints).steps()
    unit, curves = _curves(tabulate_losses(read_metrics(run.metrics)))
    points = curves["validation"] or curves["training"]
    name = "validation" if curves["validation"] else "training"
    value = f", {name} {points[-1][1]:.4f} {unit}" if points else ""
    return f"<Run {run.path}: {describe_count(steps[-1] if steps else 0, 'step')}{value}>"


def summary_html(run: RunDirectory) -> str:
    """Describe a run as HTML, without scripts or external files. The sample is escaped: it may contain any text."""
    records = read_metrics(run.metrics)
    parts = [f"<div><code>{html.escape(summary_line(run))}</code></div>", loss_curve(tabulate_losses(records))]
    sampled = [record for record in records if record["event"] == SAMPLE][-1:]
    for path in [path for record in sampled for path in find_samples(run.samples, record)][-1:]:
        with reported_failures(f"reading {path}"):
            parts.append(sample_html(read_bounded(path).decode(errors="replace")))
    return "\n".join(parts)


def sample_html(text: str, marks: Iterable[Mark] = ()) -> str:
    """Return a sample as HTML, with errors marked.

    Args:
        text: The sample, which is escaped: it may contain any text.
        marks: Errors. Of those that overlap, the first is marked.
    """
    parts: list[str] = []
    end = 0
    for start, stop, message in sorted(marks):
        if end <= start < len(text):
            title, style = html.escape(message), "background: #c522; border-bottom: 2px solid #c52"
            marked = html.escape(text[start:stop])
            parts += [html.escape(text[end:start]), f'<mark title="{title}" style="{style}">{marked}</mark>']
            end = max(stop, start)
    parts.append(html.escape(text[end:]))
    style = "max-height: 16em; overflow: auto; white-space: pre-wrap"
    return f'<pre style="{style}">{"".join(parts)}</pre>'


def loss_curve(losses: Sequence[Mapping[str, Any]]) -> str:
    """Plot the training and validation loss as SVG. The result is empty if no loss was logged."""
    unit, curves = _curves(losses)
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return ""
    (left, right), (low, high) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
    width, height = WIDTH - 2 * MARGIN, HEIGHT - MARGIN

    def place(step: int, value: float) -> str:
        x = MARGIN + width * (step - left) / max(right - left, 1)
        return f"{x:.1f},{8 + height * (high - value) / max(high - low, 1e-12):.1f}"

    # A line of one point has no length, and is drawn as a dot if the point is there twice.
    drawn = {name: [*curve, *curve[-1:]] for name, curve in curves.items() if curve}
    lines = {name: " ".join(place(*point) for point in curve) for name, curve in drawn.items()}
    ends = {"left": left, "right": right, "low": low, "high": high}
    sizes = {"width": WIDTH, "height": HEIGHT, "margin": MARGIN}
    return render("curve.svg.jinja", unit=unit, lines=lines, colors=COLORS, **ends, **sizes)


@cache
def _environment() -> Environment:
    """Return the templates of this package. A notebook renders one several times a second."""
    return Environment(
        loader=PackageLoader("seqforge.api"),
        autoescape=select_autoescape(("svg.jinja",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: Any) -> str:
    """Return a rendered template of this package."""
    return _environment().get_template(template).render(values)


def _curves(losses: Sequence[Mapping[str, Any]]) -> tuple[str, dict[str, list[tuple[int, float]]]]:
    """Return the unit, which is bits per character if the log has them, and the points of each curve."""
    has_bits = any("bits_per_character" in column for row in losses for column in row)
    quantity, unit = ("bits_per_character", "bits per character") if has_bits else ("loss", "loss")
    curves: dict[str, list[tuple[int, float]]] = {}
    for name in COLORS:
        values = [(row["step"], row.get(f"{name}_{quantity}")) for row in losses]
        points = [(step, value) for step, value in values if value is not None]
        stride = -(-len(points) // POINTS)
        curves[name] = points[:: stride or 1][:-1] + points[-1:]
    return unit, curves
