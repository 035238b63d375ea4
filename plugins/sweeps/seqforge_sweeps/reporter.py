"""The reports of a trial to the study of its sweep: its run directory, its evaluations and its signs of life."""

import contextlib
import time
from collections.abc import Generator
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError

from seqforge.errors import warn
from seqforge.events import DocumentsEncoded, Evaluated, RunStarted, StepFinished, WorkProgressed
from seqforge.training.callbacks import Callback
from seqforge_sweeps.storage import STORAGE_ERRORS, describe_error
from seqforge_sweeps.study import FULL, RUN, SEEN

SIGN_OF_LIFE_SECONDS = 60.0
"""Time between two signs of life of a trial in the storage."""


class Pruned(BaseException):
    """The end of a trial that is worse than others. It is not an Exception, which would only drop the callback.

    Args:
        step: Optimizer steps taken.
    """

    def __init__(self, step: int) -> None:
        super().__init__(f"interrupted: pruned by the sweep at step {step:,}")
        self.reason = f"worse than others at step {step:,}"


class TakenOver(BaseException):
    """The end of a trial that another worker repeats, since this one gave no sign of life. See `Pruned`."""

    def __init__(self) -> None:
        super().__init__("interrupted: another worker of the sweep repeats the trial")


class TrialReporter(Callback):
    """The callback that reports a trial to its study, and prunes it.

    If the storage cannot be used for a time, the trial continues. It is not pruned in this time, and its run directory
    is reported again with the next sign of life.

    Args:
        trial: The trial.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self._fraction = 0.0
        self._seen = time.monotonic()
        self._reported = -1
        self._unrecorded: dict[str, Any] = {}
        self._is_failing = False

    def on_run_started(self, event: RunStarted) -> None:
        """Record the run directory, so that the trial can be taken up again."""
        self._record({RUN: str(event.directory.absolute())})

    def on_documents_encoded(self, event: DocumentsEncoded) -> None:
        """Record that the trial is still running."""
        self._record_activity()

    def on_work_progressed(self, event: WorkProgressed) -> None:
        """Record that the trial is still running."""
        self._record_activity()

    def on_step_finished(self, event: StepFinished) -> None:
        """Note the progress."""
        self._fraction = event.fraction
        self._record_activity()

    def on_evaluated(self, event: Evaluated) -> None:
        """Report the evaluation.

        Raises:
            Pruned: If the trial is worse than others at this progress.
            TakenOver: If another worker repeats the trial.
        """
        progress = round(FULL * self._fraction)
        if progress == self._reported or self._fraction >= 1:
            return
        is_first, self._reported = self._reported < 0, progress
        with self._reported_failures():
            self._trial.report(event.loss if event.bits_per_character is None else event.bits_per_character, progress)
            # The first evaluation is followed by a checkpoint, so that the run of every pruned trial has one.
            if self._trial.should_prune() and not is_first:
                raise Pruned(event.step)

    def _record_activity(self) -> None:
        if time.monotonic() - self._seen > SIGN_OF_LIFE_SECONDS:
            self._seen = time.monotonic()
            self._record({SEEN: time.time()})

    def _record(self, attributes: dict[str, Any]) -> None:
        self._unrecorded |= attributes
        with self._reported_failures():
            for name, value in self._unrecorded.items():
                self._trial.set_user_attr(name, value)
            self._unrecorded = {}

    @contextlib.contextmanager
    def _reported_failures(self) -> Generator[None]:
        """Print one warning when the storage cannot be used any more, instead of an error at each report.

        Raises:
            TakenOver: If another worker repeats the trial.
        """
        try:
            yield
        except UpdateFinishedTrialError as error:
            raise TakenOver from error
        except (*STORAGE_ERRORS, OSError) as error:
            if not self._is_failing:
                warn(
                    f"trial {self._trial.number} cannot be reported to the storage of the sweep: "
                    f"{describe_error(error)}. Training continues. The trial is not pruned until the storage can be "
                    "used again."
                )
            self._is_failing = True
        else:
            self._is_failing = False
