"""The callback that displays a run in the output of a notebook's cell."""

import html
import importlib
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from seqforge.api.display import loss_curve, sample_html
from seqforge.api.progress import RunningFigures, describe_end, describe_evaluation, describe_start
from seqforge.events import (
    DocumentsEncoded,
    Evaluated,
    RunFinished,
    RunStarted,
    Sampled,
    StepFinished,
    Units,
    WorkProgressed,
)
from seqforge.figures import describe_count, describe_size
from seqforge.training.callbacks import Callback

SECONDS = 0.5
"""Seconds between two updates of the panel."""


class NotebookDisplay(Callback):
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
        self._figures = RunningFigures()
        self._losses: list[dict[str, Any]] = []
        self._evaluation = ""
        self._sample: Sampled | None = None

    def __enter__(self) -> "NotebookDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._show("stopped", self._details, at_once=True)

    def on_documents_encoded(self, event: DocumentsEncoded) -> None:
        """Show the progress of encoding the corpus."""
        self._show("encoding", f"{describe_count(event.documents, 'document')}, {describe_size(event.size)}")

    def on_run_started(self, event: RunStarted) -> None:
        """Show the name of the run, and the corpus, the model and the backends on request."""
        self._title, self._units, self._start = event.name, event.units, describe_start(event)
        self._show("starting", at_once=True)

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
        self._show(event.work, "" if event.fraction is None else f"{event.fraction:.0%}")

    def on_evaluated(self, event: Evaluated) -> None:
        """Show the scores of the validation split."""
        names = ("loss", "bits_per_character")
        self._losses.append({"step": event.step} | {f"validation_{name}": getattr(event, name) for name in names})
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
            self._show("done", describe_end(event), at_once=True)

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
