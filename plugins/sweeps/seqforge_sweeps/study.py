"""The study of Optuna behind a sweep: its storage, the queue of its trials, and trials whose process has died."""

import contextlib
import json
import os
import socket
import sqlite3
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from seqforge.errors import ExperimentError, RunError, SeqforgeError
from seqforge.runs.comparison import differing_settings, find_differences
from seqforge.runs.history import hide_password, read_state
from seqforge.storage.files import reported_failures
from seqforge.storage.locks import hold_lock, process_exists
from seqforge_sweeps.sweep_file import Sweep

DATABASE = "study.db"
"""Name of the SQLite file in the folder of a sweep."""

LOCK_SECONDS = 60
"""Time for which a worker waits for the lock of SQLite, which several workers may need at the same time."""

JOURNAL = "journal:"
"""Prefix of a storage that is a journal file, such as `journal:/shared/sweep.journal`."""


@contextlib.contextmanager
def lock_folder(folder: Path) -> Generator[None]:
    """Create the folder of a sweep, and hold its lock inside the block, so that only one worker plans the trials.

    Raises:
        RunError: If the folder cannot be created or written.
    """
    with contextlib.ExitStack() as held:
        with reported_failures(f"creating {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(hold_lock(folder / ".lock"))
        yield


def open_storage(storage: str | None, folder: Path) -> BaseStorage:
    """Open or create the storage of a sweep: the URL of a database, `journal:PATH`, or a SQLite file in its folder.

    Raises:
        RunError: If the URL is that of a SQLite database in memory.
    """
    # No connection stays open while a trial is trained, which may take longer than a server keeps it.
    options: dict[str, Any] = {"poolclass": NullPool}
    if storage is None:
        # The path is not part of the URL, since it may contain characters with a meaning in one, such as `?`.
        connect = partial(sqlite3.connect, folder / DATABASE, timeout=LOCK_SECONDS, check_same_thread=False)
        return RDBStorage(f"sqlite:///{DATABASE}", engine_kwargs={**options, "creator": connect})
    if storage.startswith(JOURNAL):
        return JournalStorage(JournalFileBackend(storage.removeprefix(JOURNAL)))
    url = make_url(storage)
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise RunError(
                f"the storage {storage} is a database in memory, which ends with its connection",
                hint="Name a file, such as sqlite:///sweep.db, or leave --storage out for one in the sweep's folder.",
            )
        options["connect_args"] = {"timeout": LOCK_SECONDS}
    return RDBStorage(storage, engine_kwargs=options)


STORAGE_ERRORS = (SQLAlchemyError, StorageInternalError)
"""Errors of a database that was opened: it is locked, its disk is full, or its server does not answer."""


@contextlib.contextmanager
def reported_storage(storage: str | None, folder: Path, *, opening: bool = False) -> Generator[None]:
    """Convert an error of the database inside the block, such as a full disk or a lock, to one that names it.

    With `opening`, this is done for any error: a wrong URL may raise any exception, in SQLAlchemy or in the driver of
    the database.

    Raises:
        RunError: If the block raises an error of the database.
    """
    try:
        yield
    except SeqforgeError:
        raise
    except Exception as error:
        if not opening and not isinstance(error, STORAGE_ERRORS):
            raise
        place = folder / DATABASE if storage is None else hide_password(storage)
        hint = "The same command continues the sweep when the storage can be used again."
        if opening and storage is None:
            hint = "If the file is damaged, delete it to begin the sweep again. The runs are kept."
        elif opening:
            hint = "Check the URL, and that the driver of the database is installed, such as psycopg for postgresql+psycopg://…."
        raise RunError(f"the storage {place} cannot be used: {describe_error(error)}", hint=hint) from error


def describe_error(error: BaseException) -> str:
    """Return the name of an error of a storage and the first line of its message, without the SQL."""
    # Optuna hides the error of the database behind one that is about invalid data.
    cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
    if isinstance(cause, DBAPIError) and cause.orig is not None:
        cause = cause.orig
    return f"{type(cause).__name__}: {str(cause).partition(chr(10))[0]}"


FULL = 1000
"""Progress of a finished trial. Trials report their losses at their progress, so that trials of different speed or
length can be compared."""

WARM_UP = FULL // 10
"""Progress before which no trial is pruned."""

STARTUP_TRIALS = 4
"""Number of finished trials before the median pruner stops one."""

_PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "median": partial(MedianPruner, n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARM_UP),
    "hyperband": partial(HyperbandPruner, min_resource=WARM_UP, max_resource=FULL),
    "none": NopPruner,
}

PLANNED, QUEUED, REPEATS, RUN, WORKER, UNIT, ERROR = "planned", "queued", "repeats", "run", "worker", "unit", "error"
"""User attributes of a trial: whether it is one of the sweep, the values with which it was queued, the number of the
trial that it repeats, its run directory, its process, the unit of its value, and why it failed."""


def open_study(sweep: Sweep, storage: str | None, folder: Path) -> optuna.Study:
    """Open or create the study of a sweep in its storage; see `open_storage`.

    Raises:
        RunError: If the storage cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with reported_storage(storage, folder, opening=True):
        return optuna.create_study(
            storage=open_storage(storage, folder),
            study_name=sweep.name,
            load_if_exists=True,
            pruner=_PRUNERS[sweep.settings.pruner](),
        )


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
        # A trial that was queued without values, when fewer were planned, is replaced by one of a combination.
        empty = [one.number for one in existing if one.state == TrialState.WAITING and not known_values(one)]
        for chosen in sweep.list_combinations():
            if chosen not in tried:
                replaced = {REPEATS: empty.pop()} if empty else {}
                study.enqueue_trial(chosen, user_attrs={PLANNED: True, QUEUED: chosen, **replaced})
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
    changed = {*find_differences([before["ranges"], ranges]), *differing_settings([before["base"], now["base"]])}
    if changed:
        raise ExperimentError(
            f"{sweep.path}: the sweep {sweep.name!r} has already run with other values of {', '.join(sorted(changed))}",
            hint='Give the changed sweep another name: name = "…".',
        )


def take_trial(study: optuna.Study, sweep: Sweep) -> optuna.Trial | None:
    """Take the next trial from the queue, or return None if it is empty or so many as the settings say have begun."""
    while waiting := [trial for trial in planned(study) if trial.state == TrialState.WAITING]:
        if len(planned(study)) - len(waiting) >= sweep.settings.trials:
            return None
        study.sampler = _sampler(sweep, waiting[0].number)
        trial = study.ask()
        study.sampler = _sampler(sweep, trial.number)
        if trial.number in {one.number for one in planned(study)}:
            trial.set_user_attr(WORKER, [socket.gethostname(), os.getpid()])
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
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    suggest = trial.suggest_int if isinstance(distribution, IntDistribution) else trial.suggest_float
    return suggest(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


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
    """Queue the trials again whose process was killed on this machine, which has their checkpoints.

    A worker calls this function between two of its trials.
    """
    for trial in planned(study):
        if trial.state == TrialState.RUNNING and _is_dead(trial):
            repeat_trial(study, trial)


def _is_dead(trial: FrozenTrial) -> bool:
    # The ids of processes in other containers with the same host name mean nothing here, but the lock of the run does.
    with contextlib.suppress(RunError):
        if RUN in trial.user_attrs and read_state(Path(trial.user_attrs[RUN]))[0] == "running":
            return False
    host, process = trial.user_attrs.get(WORKER, ["", 0])
    # This process runs no trial now. In a container that was restarted, it may have the id of the one before.
    return host == socket.gethostname() and (process == os.getpid() or not process_exists(process))
