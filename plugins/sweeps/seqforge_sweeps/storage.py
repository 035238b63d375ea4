"""The storage of a sweep: a SQLite file, another database or a journal file, and the reports of its errors."""

import contextlib
import sqlite3
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from seqforge.errors import RunError, SeqforgeError
from seqforge.runs.history import hide_password
from seqforge.storage.files import reported_failures
from seqforge.storage.locks import hold_lock

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
    """Open or create the storage of a sweep.

    Args:
        storage: URL of a database, or `journal:PATH`; None for a SQLite file in the folder.
        folder: Folder of the sweep, which exists.

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
