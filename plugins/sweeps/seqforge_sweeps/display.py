"""The progress of a trial on a terminal: one bar, and no line while it trains."""

from types import TracebackType

import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from seqforge.events import DocumentsEncoded, StepFinished, WorkProgressed
from seqforge.training.callbacks import Callback
from seqforge_sweeps.storage import STORAGE_ERRORS
from seqforge_sweeps.study import planned


class TrialDisplay(Callback):
    """A bar with the trial, the work and the loss. Without a terminal, it displays nothing.

    Args:
        study: The study, for the number of trials.
        console: Console to print to.
    """

    def __init__(self, study: optuna.Study, console: Console) -> None:
        self._study = study
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[figures]}"),
            console=console,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "TrialDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bar."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
            self._progress.stop()

    def on_documents_encoded(self, event: DocumentsEncoded) -> None:
        """Display that the corpus is encoded."""
        self._show(None, f"encoding {event.documents:,} documents")

    def on_work_progressed(self, event: WorkProgressed) -> None:
        """Display the work between two steps."""
        self._show(None, event.work)

    def on_step_finished(self, event: StepFinished) -> None:
        """Advance the bar."""
        loss = event.loss if event.bits_per_character is None else event.bits_per_character
        unit = "loss" if event.bits_per_character is None else "bits/char"
        self._show(event.fraction, f"step {event.step:,}  {loss:.3f} {unit}")

    def _count_trials(self) -> str:
        """Return the numbers of trials; empty if the storage cannot be used, about which the trial's reporter warns."""
        try:
            trials = planned(self._study)
        except (*STORAGE_ERRORS, OSError):
            return ""
        done = sum(trial.state.is_finished() for trial in trials)
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        others = f", {running - 1} in other processes" if running > 1 else ""
        return f"{done} of {len(trials)} trials done{others}"

    def _show(self, fraction: float | None, figures: str) -> None:
        if self._task is None:
            self._task = self._progress.add_task(self._count_trials(), total=1.0, figures=figures)
            self._progress.start()
        self._progress.update(self._task, figures=figures, completed=fraction)
