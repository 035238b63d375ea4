"""The callback that displays the progress of a run on a terminal, or as lines of text."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from seqforge.errors import printable
from seqforge.events import (
    ENCODED,
    Evaluated,
    RunFinished,
    RunStarted,
    Sampled,
    StepFinished,
    Units,
    WorkProgressed,
)
from seqforge.figures import describe_count, format_duration, format_per_byte
from seqforge.training.callbacks import Callback

LINE_SECONDS = 10.0
"""Seconds between two lines if there is no bar."""

TERMINAL_SECONDS = 0.1
"""Seconds between two updates of the bar."""

NARROW = 75
"""Columns of a terminal below which the bar leaves out the speed, so that the time left is not cut off."""

SMOOTHING = 0.98
"""Weight of the previous value in the moving averages of speed and loss. The first 50 steps have a plain average."""


class RunningFigures:
    """Moving averages of the loss and the speed, and the time left.

    Attributes:
        loss: Moving average of the loss, in bits per character if the events have them.
    """

    def __init__(self) -> None:
        self.loss = self._speed = self._previous_seconds = 0.0
        self._first: StepFinished | None = None

    def update(self, event: StepFinished) -> None:
        """Add the figures of a step."""
        loss = event.loss if event.bits_per_character is None else event.bits_per_character
        if self._first is None:
            self._first, self.loss = event, loss
        else:
            speed = event.characters / max(event.seconds - self._previous_seconds, 1e-9)
            # The first step has a loss, but no speed: its start is not known.
            steps = event.step - self._first.step
            self.loss += max(1 - SMOOTHING, 1 / (steps + 1)) * (loss - self.loss)
            self._speed += max(1 - SMOOTHING, 1 / steps) * (speed - self._speed)
        self._previous_seconds = event.seconds

    def describe(self, event: StepFinished, speed_unit: str | None) -> str:
        """Return the figures as text, without the speed if it has no unit."""
        unit = "loss" if event.bits_per_character is None else "bits/char"
        figures = [f"step {event.step:,}", f"{self.loss:.3f} {unit}"]
        if speed_unit:
            figures.append(f"{self._speed:,.0f} {speed_unit}/s")
        return "  ".join([*figures, self._time_left(event)])

    def _time_left(self, event: StepFinished) -> str:
        first = self._first or event
        if event.fraction <= first.fraction:
            return "-:-- left"
        left = (event.seconds - first.seconds) / (event.fraction - first.fraction) * (1 - event.fraction)
        return f"{format_duration(left)} left"


class WorkFigures:
    """The progress of work outside of the training steps, and the time left."""

    def __init__(self) -> None:
        self._work, self._begun, self._first_fraction = "", 0.0, 0.0

    def describe(self, event: WorkProgressed) -> str:
        """Return what is finished, or its fraction, and if known the time left."""
        now, fraction = time.monotonic(), event.fraction or 0.0
        if event.work != self._work or fraction < self._first_fraction:
            self._work, self._begun, self._first_fraction = event.work, now, fraction
        figures = [event.amount or ("" if event.fraction is None else f"{fraction:.0%}")]
        if (done := fraction - self._first_fraction) > 0:
            figures.append(f"{format_duration((now - self._begun) / done * (1 - fraction))} left")
        return "  ".join(figures)


def describe_start(event: RunStarted) -> tuple[str, ...]:
    """Return lines about the corpus, the model, the backends and the run directory."""
    training = f"{event.training_size:,}" if event.training_size else "endless"
    sizes = f"{training} training and {event.validation_size:,} validation {event.units.size}"
    return (
        f"Corpus: {event.corpus}",
        f"Model: {event.parameters:,} parameters, {sizes}",
        *(f"Backend: {line}" for line in event.backends),
        *([f"Initial weights: {event.initial}"] if event.initial else []),
        f"{f'Resuming at step {event.step:,}' if event.resumed else 'Run'}: {event.directory}",
    )


def describe_evaluation(event: Evaluated) -> str:
    """Return the scores of the validation split as a line."""
    best = ", the best so far" if event.best else ""
    if event.bits_per_character is None:
        summary = "".join(f"; {sentence}" for sentence in event.summary)
        return f"step {event.step:,}: validation loss {event.loss:.4f}{best}{summary}"
    per_byte = format_per_byte(event.bits_per_character, event.bits_per_byte)
    figures = f"{event.bits_per_character:.3f} bits/char{per_byte} (loss {event.loss:.4f} nats)"
    return f"step {event.step:,}: validation {figures}{best}"


def describe_end(event: RunFinished) -> str:
    """Return how a complete run ended."""
    duration = f"{event.seconds:.1f} seconds" if event.seconds < 60 else f"{event.seconds / 60:.1f} minutes"
    return f"{describe_count(event.step, 'step')} and {duration}: {event.reason}"


class ProgressDisplay(Callback, AbstractContextManager["ProgressDisplay"]):
    """A bar with loss, speed and remaining time, and a line for every evaluation and sample.

    Without a terminal, it prints a line every 10 seconds instead of the bar.

    Args:
        console: Console to print to; by default standard error.
        title: Function that returns what precedes the bar of each run. With it, only the bar is displayed.

    Attributes:
        started: Event of the start of the run; None before.
    """

    def __init__(self, console: Console | None = None, title: Callable[[], str] | None = None) -> None:
        self.started: RunStarted | None = None
        self._title = title
        self._heading = ""
        self._console = console or Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            # The bar fills the width that the text leaves.
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            transient=True,
            auto_refresh=False,
            expand=True,
        )
        self._task: TaskID | None = None
        self._description = ""
        self._updated = time.monotonic()
        self._units = Units("tokens", "chars", "sample", "sample {run}")
        self._step = 0
        self._progress = WorkFigures()
        self._figures = RunningFigures()

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.close()

    @property
    def has_bar(self) -> bool:
        """Whether the console is a terminal."""
        return self._console.is_terminal

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
            self._bar.stop()

    def on_run_started(self, event: RunStarted) -> None:
        """Print the corpus, the model, the backends and the run directory."""
        self.started = event
        self._units = event.units
        self._figures = RunningFigures()
        for line in describe_start(event):
            self._print(line)

    def on_step_finished(self, event: StepFinished) -> None:
        """Advance the bar."""
        self._step = event.step
        self._figures.update(event)
        is_narrow = self.has_bar and self._console.width < NARROW
        self._show("training", self._figures.describe(event, None if is_narrow else self._units.speed), event.fraction)

    def on_work_progressed(self, event: WorkProgressed) -> None:
        """Display the progress of work outside the training steps, or outside a run, such as an evaluation."""
        if event.work == ENCODED:
            self.close()
            self._print(f"Encoded {event.amount}.")
            return
        figures = f"step {self._step:,}  " if self._step else ""
        self._show(event.work, (figures + self._progress.describe(event)).rstrip(), event.fraction)

    def on_evaluated(self, event: Evaluated) -> None:
        """Print the scores of the validation split."""
        self._print(describe_evaluation(event))

    def on_sampled(self, event: Sampled) -> None:
        """Print the first sample, and the scores of all samples."""
        if self._title is not None:
            return
        self._console.rule(f"{self._units.sample} at step {event.step:,}", style="dim")
        self._print(event.texts[0])
        self._console.rule(style="dim")
        if len(event.texts) > 1 and self.started is not None:
            self._print(f"{len(event.texts) - 1} more in {self.started.directory / 'samples'}")
        for line in [f"In {describe_count(len(event.texts), 'sample')}:", *event.summary] if event.summary else ():
            self._print(line)

    def on_run_finished(self, event: RunFinished) -> None:
        """Print how the run ended."""
        self.close()
        if event.complete:
            self._print(f"Done after {describe_end(event)}.")

    def _print(self, text: str) -> None:
        # A terminal breaks long lines inside words; rich breaks them between words.
        if self._title is None:
            self._console.print(Text(printable(text)), soft_wrap=not self._console.is_terminal)

    def _show(self, description: str, figures: str, fraction: float | None = None) -> None:
        now, is_new = time.monotonic(), description != self._description
        interval = TERMINAL_SECONDS if self.has_bar else LINE_SECONDS
        if now - self._updated < interval and not (is_new and self.has_bar):
            return
        self._updated, self._description = now, description
        if not self.has_bar:
            if self._title is None:
                self._console.print(f"{description}: {figures}" if figures else description)
            return
        total, completed = (None, 0.0) if fraction is None else (1.0, fraction)
        if self._task is None:
            self._heading = "" if self._title is None else f"{self._title()}  "
            self._task = self._bar.add_task(description, total=total, figures=figures)
            self._bar.start()
        description = self._heading + description
        self._bar.update(self._task, description=description, completed=completed, total=total, figures=figures)
        self._bar.refresh()
