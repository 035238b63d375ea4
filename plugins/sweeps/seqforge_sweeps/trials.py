"""The trials of a sweep: each trains a run, which may be pruned, or interrupted and resumed.

A trial reports its run directory and its evaluations to the study of the sweep.
"""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from seqforge.api.run import Run
from seqforge.api.train import train
from seqforge.errors import NonFiniteError, RunError, SeqforgeError, warn
from seqforge.events import Evaluated, RunStarted, StepFinished
from seqforge.registry.registry import Registry
from seqforge.runs.history import read_state
from seqforge.runs.summary import best_evaluation
from seqforge.training.callbacks import Callback
from seqforge_sweeps.study import (
    ERROR,
    FULL,
    RUN,
    STORAGE_ERRORS,
    UNIT,
    choose_values,
    describe_error,
    name_run,
    repeat_dead_trials,
    repeat_trial,
    take_trial,
)
from seqforge_sweeps.sweep_file import Sweep

MAXIMUM_FAILURES = 3
"""Number of trials in a row that may fail before the sweep ends."""


def run_trials(
    study: optuna.Study, sweep: Sweep, folder: Path, registry: Registry, callbacks: Sequence[object] = ()
) -> Iterator[FrozenTrial]:
    """Run the planned trials of a study one by one, until there is none, with run directories in a folder.

    The callbacks receive the events of every run.

    Yields:
        Each trial of this process when it has finished, was pruned or has failed.

    Raises:
        KeyboardInterrupt: If a trial is interrupted, after its checkpoint is saved and the trial is queued again.
        RunError: If several trials in a row have failed.
    """
    failures = 0
    repeat_dead_trials(study)
    while trial := take_trial(study, sweep):
        try:
            _run_trial(study, trial, sweep, folder, registry, callbacks)
        except UpdateFinishedTrialError:
            warn(f"another worker repeats trial {trial.number}, whose process it did not find")
            continue
        except BaseException:
            # An interrupt, or a fault in the program. The run continues from its checkpoint when the sweep is resumed.
            repeat_trial(study, _frozen(study, trial))
            raise
        done = _frozen(study, trial)
        failures = failures + 1 if done.state == TrialState.FAIL else 0
        yield done
        if failures == MAXIMUM_FAILURES:
            raise RunError(
                f"{failures} trials in a row have failed, the last one because of: {done.user_attrs[ERROR]}",
                hint="Correct the cause. The same command repeats the failed trials.",
            )
        repeat_dead_trials(study)


def _frozen(study: optuna.Study, trial: optuna.Trial) -> FrozenTrial:
    return study.get_trials(deepcopy=False)[trial.number]


def _run_trial(
    study: optuna.Study,
    trial: optuna.Trial,
    sweep: Sweep,
    folder: Path,
    registry: Registry,
    callbacks: Sequence[object],
) -> None:
    reporter = [TrialReporter(trial), *callbacks]
    try:
        run = _unfinished_run(trial, registry)
        if run is None:
            experiment = sweep.experiment(choose_values(trial, sweep), name_run(trial.number), registry)
            run = train(experiment, folder, callbacks=reporter, progress=False)
        else:
            choose_values(trial, sweep)
            if read_state(run.path)[0] != "finished":
                run = run.resume(callbacks=reporter, progress=False)
        best = best_evaluation(run.metrics())
        if best.value is None:
            raise RunError("the run has no evaluation", hint="Use more text, or a larger data.validation_fraction.")
        trial.set_user_attr(UNIT, best.unit)
        study.tell(trial, best.value)
    except Pruned as pruned:
        trial.set_user_attr(ERROR, pruned.reason)
        study.tell(trial, state=TrialState.PRUNED)
    except NonFiniteError as error:
        # The sampler takes a pruned trial for a bad one, and would ignore a failed one.
        trial.set_user_attr(ERROR, f"diverged: {error.message}")
        study.tell(trial, state=TrialState.PRUNED)
    except SeqforgeError as error:
        trial.set_user_attr(ERROR, error.message)
        study.tell(trial, state=TrialState.FAIL)


def _unfinished_run(trial: optuna.Trial, registry: Registry) -> Run | None:
    """Return the run of a trial that is repeated, or None if it cannot be resumed here."""
    path = cast("Any", trial.user_attrs.get(RUN))
    if path is None:
        return None
    try:
        run = Run.open(path, registry=registry)
        return run if run.checkpoints.steps() else None
    except SeqforgeError:  # The folder was deleted, or is on another machine.
        return None


class Pruned(BaseException):
    """The end of a trial that is worse than others. It is not an Exception, which would only drop the callback."""

    def __init__(self, step: int) -> None:
        super().__init__(f"interrupted: pruned by the sweep at step {step:,}")
        self.reason = f"worse than others at step {step:,}"


class TrialReporter(Callback):
    """The callback that reports a trial to its study, and prunes it.

    If the storage cannot be used for a time, the trial continues. It is not pruned in this time, and its run directory
    is reported again with the next evaluation.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self._fraction = 0.0
        self._reported = -1
        self._directory = ""
        self._is_failing = False

    def on_run_started(self, event: RunStarted) -> None:
        """Record the run directory, so that the trial can be taken up again."""
        self._directory = str(event.directory.absolute())
        with self._reported_failures():
            self._trial.set_user_attr(RUN, self._directory)

    def on_step_finished(self, event: StepFinished) -> None:
        """Note the progress."""
        self._fraction = event.fraction

    def on_evaluated(self, event: Evaluated) -> None:
        """Report the evaluation.

        Raises:
            Pruned: If the trial is worse than others at this progress.
        """
        progress = round(FULL * self._fraction)
        if progress == self._reported or self._fraction >= 1:
            return
        is_first, self._reported = self._reported < 0, progress
        with self._reported_failures():
            if RUN not in self._trial.user_attrs:  # The storage failed at the beginning.
                self._trial.set_user_attr(RUN, self._directory)
            self._trial.report(event.loss if event.bits_per_character is None else event.bits_per_character, progress)
            # The first evaluation is followed by a checkpoint, so that the run of every pruned trial has one.
            if self._trial.should_prune() and not is_first:
                raise Pruned(event.step)

    @contextlib.contextmanager
    def _reported_failures(self) -> Generator[None]:
        """Print one warning when the storage cannot be used any more, instead of an error at each report."""
        try:
            yield
        except (*STORAGE_ERRORS, OSError, UpdateFinishedTrialError) as error:
            if not self._is_failing:
                warn(
                    f"trial {self._trial.number} cannot be reported to the storage of the sweep: "
                    f"{describe_error(error)}. Training continues. The trial is not pruned until the storage can be "
                    "used again."
                )
            self._is_failing = True
        else:
            self._is_failing = False
