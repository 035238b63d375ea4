"""The trials of a sweep: each trains a run, which may be pruned, or interrupted and resumed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from seqforge.api import Run, train
from seqforge.errors import NonFiniteError, RunError, SeqforgeError, warn
from seqforge.registry import Registry
from seqforge.runs.history import read_state
from seqforge.runs.summary import best_value
from seqforge_sweeps.reporter import Pruned, TakenOver, TrialReporter
from seqforge_sweeps.study import (
    ERROR,
    RUN,
    UNIT,
    choose_values,
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
    """Run the trials of the queue one by one, until it is empty.

    Args:
        study: The study, with planned trials.
        sweep: The sweep.
        folder: Folder in which the run directories are created.
        registry: Registered components.
        callbacks: Objects with some of the methods of `Callback`, which receive the events of every run.

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
        except (TakenOver, UpdateFinishedTrialError):
            warn(f"another worker repeats trial {trial.number}, since this one gave no sign of life")
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
        value, unit = best_value(run.metrics())
        if value is None:
            raise RunError("the run has no evaluation", hint="Use more text, or a larger data.validation_fraction.")
        trial.set_user_attr(UNIT, unit)
        study.tell(trial, value)
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
