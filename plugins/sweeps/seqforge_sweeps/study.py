"""The study of Optuna behind a sweep: the queue of its trials, and trials whose process has died."""

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from seqforge.errors import ExperimentError, RunError
from seqforge.runs.comparison import differing_settings
from seqforge.runs.history import read_state
from seqforge.storage.locks import process_exists
from seqforge_sweeps.storage import open_storage, reported_storage
from seqforge_sweeps.sweep_file import Sweep

FULL = 1000
"""Progress of a finished trial. Trials report their losses at their progress, so that trials of different speed or
length can be compared."""

WARM_UP = FULL // 10
"""Progress before which no trial is pruned."""

STARTUP_TRIALS = 4
"""Number of finished trials before the median pruner stops one."""

DEAD_SECONDS = 600
"""Time without a sign of life after which a trial of another machine is repeated."""

PLANNED, QUEUED, REPEATS, RUN, WORKER, SEEN, UNIT, ERROR = (
    "planned", "queued", "repeats", "run", "worker", "seen", "unit", "error"
)  # fmt: skip
"""User attributes of a trial: whether it is one of the sweep, the values with which it was queued, the number of the
trial that it repeats, its run directory, its process, the time of its last sign of life, the unit of its value, and why
it failed."""


def open_study(sweep: Sweep, storage: str | None, folder: Path) -> optuna.Study:
    """Open or create the study of a sweep.

    Args:
        sweep: The sweep.
        storage: URL of a database, or `journal:PATH`; None for a SQLite file in the folder.
        folder: Folder of the sweep, which exists.

    Raises:
        RunError: If the storage cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with reported_storage(storage, folder, opening=True):
        return optuna.create_study(
            storage=open_storage(storage, folder),
            study_name=sweep.name,
            load_if_exists=True,
            pruner=_pruner(sweep),
        )


def _pruner(sweep: Sweep) -> BasePruner:
    match sweep.settings.pruner:
        case "median":
            return MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARM_UP)
        case "hyperband":
            return HyperbandPruner(min_resource=WARM_UP, max_resource=FULL)
        case "none":
            return NopPruner()


def _sampler(sweep: Sweep, number: int) -> BaseSampler:
    # The choice depends on the seed, the number of the trial and the trials before. Workers choose different values.
    seed = (sweep.settings.seed + 1_000_003 * number) % 2**32
    return TPESampler(seed=seed) if sweep.settings.sampler == "tpe" else RandomSampler(seed=seed)


def planned(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials of a sweep, without those that another trial repeats.

    If two workers have repeated the same trial, only the first repetition counts.
    """
    trials = study.get_trials(deepcopy=False)
    # The last assignment of a number is that of the first repetition.
    repetitions = {trial.user_attrs[REPEATS]: trial.number for trial in reversed(trials) if REPEATS in trial.user_attrs}
    return [
        trial
        for trial in trials
        if PLANNED in trial.user_attrs
        and trial.number not in repetitions
        and repetitions.get(trial.user_attrs.get(REPEATS), trial.number) == trial.number
    ]


def plan_trials(study: optuna.Study, sweep: Sweep) -> None:
    """Queue the trials that are missing or have failed. A worker takes each from the queue, so that none runs twice.

    If there are no more combinations of values than trials, each combination is queued once.

    Args:
        study: The study.
        sweep: The sweep.

    Raises:
        ExperimentError: If the study has trials with other parameters or another base experiment.
    """
    _check_unchanged(study, sweep)
    for trial in planned(study):
        if trial.state == TrialState.FAIL:
            repeat_trial(study, trial)
    existing = planned(study)
    if sweep.is_exhaustive:
        tried = [known_values(trial) for trial in existing]
        for chosen in sweep.list_combinations():
            if chosen not in tried:
                study.enqueue_trial(chosen, user_attrs={PLANNED: True, QUEUED: chosen})
    else:
        for _ in range(sweep.settings.trials - len(existing)):
            study.enqueue_trial({}, user_attrs={PLANNED: True})


def known_values(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values with which a trial was queued, and those that were chosen for it since."""
    return {**trial.user_attrs.get(QUEUED, {}), **trial.params}


def _check_unchanged(study: optuna.Study, sweep: Sweep) -> None:
    """Check that the trials of a study can be compared with those of a sweep, and store what they have in common."""
    ranges = {key: repr(values.distribution) for key, values in sweep.parameters.items()}
    now = json.loads(json.dumps({"base": sweep.table, "ranges": ranges}, default=str))
    before = study.user_attrs.get("sweep")
    if before is None or not study.get_trials(deepcopy=False):
        study.set_user_attr("sweep", now)
        return
    changed = {key for key in {*before["ranges"], *ranges} if before["ranges"].get(key) != ranges.get(key)}
    changed |= differing_settings([before["base"], now["base"]]).keys()
    if changed:
        raise ExperimentError(
            f"{sweep.path}: the sweep {sweep.name!r} has already run with other values of {', '.join(sorted(changed))}",
            hint='Give the changed sweep another name: name = "…".',
        )


def take_trial(study: optuna.Study, sweep: Sweep) -> optuna.Trial | None:
    """Take the next trial from the queue, or return None if it is empty."""
    while waiting := [trial for trial in planned(study) if trial.state == TrialState.WAITING]:
        study.sampler = _sampler(sweep, waiting[0].number)
        trial = study.ask()
        study.sampler = _sampler(sweep, trial.number)
        if trial.number in {one.number for one in planned(study)}:
            trial.set_user_attr(WORKER, [socket.gethostname(), os.getpid()])
            trial.set_user_attr(SEEN, time.time())
            return trial
        # Another worker has taken the last trial of the queue, and Optuna has created a new one. Or two workers have
        # repeated the same trial.
        study.tell(trial, state=TrialState.FAIL)
    return None


def name_run(number: int) -> str:
    """Return the name of the run of a trial, such as trial-0004."""
    return f"trial-{number:04}"


def choose_values(trial: optuna.Trial, sweep: Sweep) -> dict[str, Any]:
    """Return the value of each parameter for a trial, as Optuna stores it."""
    return {key: _suggest(trial, key, values.distribution) for key, values in sweep.parameters.items()}


def _suggest(trial: optuna.Trial, name: str, distribution: Any) -> Any:
    match distribution:
        case optuna.distributions.CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
        case optuna.distributions.IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(name, low, high, step=step, log=log)
        case _:
            return trial.suggest_float(
                name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
            )


def repeat_trial(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial that did not finish again, with its values and its run directory, and mark it as failed.

    If this process is killed between the two, the trial is not lost. Several workers may call this function for the
    same trial, since `planned` has only one of the repetitions.
    """
    kept = {name: value for name, value in trial.user_attrs.items() if name in (PLANNED, RUN)}
    values = known_values(trial)  # A trial that was killed at its start has no parameters yet.
    study.enqueue_trial(values, user_attrs={**kept, QUEUED: values, REPEATS: trial.number})
    # Another worker may have marked it, also at the same time.
    with contextlib.suppress(ValueError, optuna.exceptions.UpdateFinishedTrialError):
        study.tell(trial.number, state=TrialState.FAIL)


def repeat_dead_trials(study: optuna.Study) -> None:
    """Queue the trials again whose process was killed. A worker calls this function between two of its trials."""
    for trial in planned(study):
        if trial.state == TrialState.RUNNING and _is_dead(trial):
            repeat_trial(study, trial)


def _is_dead(trial: FrozenTrial) -> bool:
    # The ids of processes in other containers with the same host name mean nothing here, but the lock of the run does.
    with contextlib.suppress(RunError):
        if RUN in trial.user_attrs and read_state(Path(trial.user_attrs[RUN]))[0] == "running":
            return False
    host, process = trial.user_attrs.get(WORKER, ["", 0])
    if host == socket.gethostname():
        # This process runs no trial now. In a container that was restarted, it may have the id of the one before.
        return process == os.getpid() or not process_exists(process)
    started = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
    return time.time() - trial.user_attrs.get(SEEN, started) > DEAD_SECONDS
