"""What `seqforge run` shows: a plugin like any other, which watches the run's hooks."""

import shlex
import time
from types import TracebackType

from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from seqforge.cli.figures import figure_lines
from seqforge.cli.terminal import stderr, stdout
from seqforge.events import DocumentsEncoded, Evaluated, RunFinished, RunStarted, Sampled, StepFinished
from seqforge.registry import hookimpl

PLAIN_SECONDS = 10.0
"""How often a line is printed where there is no terminal to draw a bar on."""

BAR_SECONDS = 0.1
SPEED_SMOOTHING = 0.98
"""Weight of the past in the shown speed and loss, a step."""


class ProgressDisplay:
    """A bar with loss, speed and time left; evaluations and samples scroll by above it.

    Attributes:
        finished: How the run ended, once it has.
    """

    def __init__(self) -> None:
        self.finished: RunFinished | None = None
        self._started: RunStarted | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            console=stderr(),
            transient=True,
            auto_refresh=False,
        )
        self._task: TaskID | None = None
        self._shown = 0.0
        self._loss = self._speed = self._first_fraction = 0.0
        self._first_seconds = 0.0
        self._previous_seconds: float | None = None

    def __enter__(self) -> "ProgressDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def how_to_resume(self) -> str:
        """Say how to go on with an interrupted run."""
        if self._started is None:
            return "Interrupted before the run had started."
        from seqforge.checkpoints.checkpoints import Checkpoints
        from seqforge.runs.directory import RunDirectory

        directory = self._started.directory
        saved = Checkpoints(RunDirectory(directory).checkpoints).steps()
        if not saved:
            return "Interrupted before the first checkpoint was saved."
        return (
            f"Interrupted; step {saved[-1]:,} is saved.\nTo go on: seqforge run --resume {shlex.quote(str(directory))}"
        )

    @hookimpl
    def seqforge_documents_encoded(self, event: DocumentsEncoded) -> None:
        """Show how far the encoding has come."""
        figures = f"{event.documents:,} documents, {event.size / 1e6:,.1f} MB"
        self._show("encoding", figures, total=None, force=event.done)
        if event.done:
            self._remove()
            stderr().print(f"Encoded {figures}.")

    @hookimpl
    def seqforge_run_started(self, event: RunStarted) -> None:
        """Say what is about to be trained on what."""
        self._started = event
        self._previous_seconds = None
        stderr().print(f"Corpus: {event.corpus}")
        unit = "examples" if event.labelled else "tokens"
        tokens = f"{event.training_tokens:,} training and {event.validation_tokens:,} validation {unit}"
        stderr().print(f"Model: {event.parameters:,} parameters, {tokens}")
        verb = f"Resuming at step {event.step:,}" if event.resumed else "Run"
        stderr().print(f"{verb}: {event.directory}")

    @hookimpl
    def seqforge_step_finished(self, event: StepFinished) -> None:
        """Move the bar on."""
        loss = event.loss if event.bits_per_character is None else event.bits_per_character
        if self._previous_seconds is None:
            self._first_fraction, self._loss, self._speed = event.fraction, loss, 0.0
            self._first_seconds = event.seconds
        else:
            speed = event.characters / max(event.seconds - self._previous_seconds, 1e-9)
            weight = SPEED_SMOOTHING if self._speed else 0.0
            self._speed = weight * self._speed + (1 - weight) * speed
            self._loss = SPEED_SMOOTHING * self._loss + (1 - SPEED_SMOOTHING) * loss
        self._previous_seconds = event.seconds
        unit = "loss" if event.bits_per_character is None else "bits/char"
        read = "steps" if self._started is not None and self._started.labelled else "chars"
        figures = f"step {event.step:,}  {self._loss:.3f} {unit}  {self._speed:,.0f} {read}/s  {self._time_left(event)}"
        self._show("training", figures, total=1.0, completed=event.fraction)

    def _time_left(self, event: StepFinished) -> str:
        done = event.fraction - self._first_fraction
        if done <= 0:
            return "-:-- left"
        left = (event.seconds - self._first_seconds) / done * (1 - event.fraction)
        minutes, seconds = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02} left" if hours else f"{minutes}:{seconds:02} left"

    @hookimpl
    def seqforge_evaluated(self, event: Evaluated) -> None:
        """Print an evaluation."""
        best = ", the best so far" if event.best else ""
        if event.bits_per_character is None:
            scores = "".join(f"  {name} {value:.4f}" for name, value in event.scores.items())
            stderr().print(f"step {event.step:,}: validation loss {event.loss:.4f}{scores}{best}")
            return
        stderr().print(
            f"step {event.step:,}: validation {event.bits_per_character:.3f} bits/char "
            f"(loss {event.loss:.4f} nats){best}"
        )

    @hookimpl
    def seqforge_sampled(self, event: Sampled) -> None:
        """Print samples, and what the metrics say of them."""
        for text in event.texts:
            what = "answers" if self._started is not None and self._started.labelled else "sample"
            stderr().rule(f"{what} at step {event.step:,}", style="dim")
            stderr().print(Text(printable(text)))
        stderr().rule(style="dim")
        for line in figure_lines(event.scores, event.baseline):
            stderr().print(line)

    @hookimpl
    def seqforge_run_finished(self, event: RunFinished) -> None:
        """Say how the run ended, and what to do next."""
        self.finished = event
        self._remove()
        if not event.complete:
            return
        time_taken = f"{event.seconds:.1f} seconds" if event.seconds < 60 else f"{event.seconds / 60:.1f} minutes"
        stderr().print(f"Done after {event.step:,} steps and {time_taken}: {event.reason}.")
        stdout().print(f"The run is in {event.directory}. Next:")
        path = shlex.quote(str(event.directory))
        labelled = self._started is not None and self._started.labelled
        stdout().print(f"  seqforge predict {path} EXAMPLE" if labelled else f"  seqforge sample {path}")
        if self._started is not None and self._started.validation_tokens:
            stdout().print(f"  seqforge evaluate {path}")

    def _show(
        self, description: str, figures: str, total: float | None, completed: float = 0.0, force: bool = False
    ) -> None:
        now = time.monotonic()
        terminal = stderr().is_terminal
        if not force and now - self._shown < (BAR_SECONDS if terminal else PLAIN_SECONDS):
            return
        self._shown = now
        if not terminal:
            if not force:
                stderr().print(f"{description}: {figures}")
            return
        if self._task is None:
            self._task = self._bar.add_task(description, total=total, figures=figures)
            self._bar.start()
        self._bar.update(self._task, description=description, completed=completed, total=total, figures=figures)
        self._bar.refresh()

    def _remove(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self._bar.stop()


def printable(text: str) -> str:
    """Replace what would steer a terminal: a model may write anything.

    Args:
        text: A sample.
    """
    return "".join(
        symbol if symbol.isprintable() or symbol in "\n\t" else "\N{REPLACEMENT CHARACTER}" for symbol in text
    )
