"""A run in a notebook: the panel that displays it while it trains, and a summary of it as a line or as HTML."""

import html
import importlib
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from seqforge.api.progress import RunningFigures, WorkFigures, describe_end, describe_evaluation, describe_start
from seqforge.events import (
    Evaluated,
    Mark,
    RunFinished,
    RunStarted,
    Sampled,
    StepFinished,
    Units,
    WorkProgressed,
)
from seqforge.figures import describe_count
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.runs.metrics_log import SAMPLE, find_samples, read_metrics, tabulate_losses
from seqforge.storage.files import read_bounded, reported_failures
from seqforge.training.callbacks import Callback

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
    """Return a sample, which may be any text, as HTML with marked errors: of those that overlap, with the first one."""
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


SECONDS = 0.5
"""Seconds between two updates of the panel."""


class NotebookDisplay(Callback, AbstractContextManager["NotebookDisplay"]):
    """A panel with the progress, the curves of the loss, and the last sample with its errors marked.

    It is one output that is updated, and that a saved notebook keeps. It needs no widgets.
    """

    has_bar = True

    def __init__(self) -> None:
        self._output: Any = None
        self._updated = 0.0
        self._title = ""
        self._work: str = ""
        self._details: str = ""
        self._fraction = 0.0
        self._start: tuple[str, ...] = ()
        self._units = Units("tokens", "chars", "sample", "sample {run}")
        self._progress, self._figures = WorkFigures(), RunningFigures()
        self._losses: list[dict[str, Any]] = []
        self._evaluation = ""
        self._sample: Sampled | None = None

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if error is not None:
            self._show("stopped", self._details)

    def on_run_started(self, event: RunStarted) -> None:
        """Show the name of the run, and the corpus, the model and the backends on request."""
        self._title, self._units, self._start = event.name, event.units, describe_start(event)
        self._show("starting")

    def on_step_finished(self, event: StepFinished) -> None:
        """Show the figures of a step."""
        self._figures.update(event)
        self._fraction = event.fraction
        if self._is_due():
            name = "loss" if event.bits_per_character is None else "bits_per_character"
            self._losses.append({"step": event.step, f"training_{name}": self._figures.loss})
            self._show("training", self._figures.describe(event, self._units.speed))

    def on_work_progressed(self, event: WorkProgressed) -> None:
        """Show the work outside the training steps."""
        self._show(event.work, self._progress.describe(event))

    def on_evaluated(self, event: Evaluated) -> None:
        """Show the scores of the validation split."""
        scores = {"validation_loss": event.loss, "validation_bits_per_character": event.bits_per_character}
        self._losses.append({"step": event.step} | {name: score for name, score in scores.items() if score is not None})
        self._evaluation = describe_evaluation(event)
        self._show("training", self._details, at_once=True)

    def on_sampled(self, event: Sampled) -> None:
        """Show the first sample, and the sentences about all samples."""
        self._sample = event
        self._show("training", self._details, at_once=True)

    def on_run_finished(self, event: RunFinished) -> None:
        """Show how the run ended."""
        if event.complete:
            self._fraction = 1.0
            self._show("done", describe_end(event))

    def _is_due(self) -> bool:
        return time.monotonic() - self._updated >= SECONDS

    def _show(self, work: str, details: str = "", *, at_once: bool = False) -> None:
        is_due = at_once or work != self._work or self._is_due()
        self._work, self._details = work, details
        if not is_due:
            return
        self._updated = time.monotonic()
        content = {"text/plain": "\n".join(self._lines()), "text/html": self._html()}
        if self._output is None:
            show = importlib.import_module("IPython.display").display
            self._output = show(content, raw=True, display_id=True)
        else:
            self._output.update(content, raw=True)

    def _lines(self) -> Sequence[str]:
        """Return the panel as lines of text, for programs that do not show HTML."""
        status = f"{self._work}: {self._details}" if self._details else self._work
        sample = (self._sample.texts[0], *self._sample.summary) if self._sample else ()
        return [line for line in (status, *self._start, self._evaluation, *sample) if line]

    def _html(self) -> str:
        status = " ".join(part for part in (self._work, self._details) if part)
        parts = [
            f"<div><b>{html.escape(self._title)}</b> {html.escape(status)}</div>",
            f'<progress style="width: 100%" value="{self._fraction:.4f}"></progress>',
        ]
        if self._losses:
            parts += [loss_curve(self._losses), f"<div>{html.escape(self._evaluation)}</div>"]
        if self._sample:
            name = f"{self._units.sample} at step {self._sample.step:,}"
            parts += [f"<div>{name}</div>", sample_html(self._sample.texts[0], self._sample.marks)]
            parts += [f"<div>{html.escape(line)}</div>" for line in self._sample.summary]
        if self._start:
            lines = "<br>".join(html.escape(line) for line in self._start)
            parts.append(f"<details><summary>corpus, model and backends</summary>{lines}</details>")
        return "\n".join(parts)
