"""The run directory: the names of its files, and the lock with which only one process trains at a time."""

import contextlib
import errno
import faulthandler
import os
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqforge.errors import ExperimentError, RunError, nearest, quote_path
from seqforge.experiment.tables import MAXIMUM_SIZE, Table, parse_table
from seqforge.kinds.table import OBSERVER_KEYS
from seqforge.runs.metrics_log import HISTORY, METRICS
from seqforge.runs.verification import MARKER, RUN_FILES
from seqforge.storage.files import (
    FOLDER,
    REGULAR_FILE,
    kind_of,
    open_regular,
    read_bounded,
    reported_failures,
    write_atomically,
)
from seqforge.storage.folders import create_folder, remove_abandoned
from seqforge.storage.locks import hold_lock
from seqforge.storage.paths import is_utf8
from seqforge.storage.records import LAST_LINE, Record, seal, unseal

if TYPE_CHECKING:
    from seqforge.experiment.experiment import Experiment

_OTHER_FOLDER = 'Choose another folder with --output, or output="FOLDER" in Python.'
"""Hint about a folder in which no run directory can be created."""

LOCK = ".lock"
"""File whose lock the process that trains a run holds."""

CRASH = ".crash"
"""File that receives the place where compiled code has crashed the process that trains a run."""

LOCK_SECONDS = 0.5
"""Time to wait for this lock. `seqforge runs` and `seqforge watch` hold it for a moment, to test it."""

FILES = (
    *RUN_FILES,
    "experiment.toml",
    "backends.json",
    METRICS,
    HISTORY,
    *(f"{key}.json" for key in OBSERVER_KEYS),
    LOCK,
    CRASH,
)
FOLDERS = ("samples", "initial", "checkpoints")


class RunMarker(Record):
    """The content of `run.json`.

    Attributes:
        identifier: Random text that only this run, and models that are exported from it, have.
    """

    VERSION = 3

    identifier: str


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The files of a run."""

    path: Path

    @classmethod
    def create(cls, parent: Path, name: str, fill: Callable[["RunDirectory"], None]) -> "RunDirectory":
        """Create a run directory, and its parent if that is missing. If the name is taken, a number is appended.

        The function `fill` writes the files of the run, so that the directory is complete as soon as it has its name.

        Raises:
            RunError: If the directory cannot be created.
        """
        cls.check_parent(parent)

        def fill_folder(path: Path) -> None:
            run = cls(path)
            run.checkpoints.mkdir()
            run.samples.mkdir()
            RunMarker(identifier=uuid.uuid4().hex).write(path / MARKER)
            fill(run)

        with reported_failures(f"creating a run directory in {parent}", _OTHER_FOLDER):
            parent.mkdir(parents=True, exist_ok=True)
            return cls(create_folder(parent / name, fill_folder, numbered=True))

    @classmethod
    def check_parent(cls, parent: Path) -> None:
        """Check that a run directory can be created in a folder, or in the nearest folder above it that exists.

        Raises:
            RunError: If it cannot.
        """
        if not is_utf8(str(parent)):
            raise RunError(f"{str(parent)!r}: the name of the folder is not valid UTF-8", hint="Rename the folder.")
        with reported_failures(f"creating a run directory in {parent}", _OTHER_FOLDER):
            absolute = parent.absolute()
            existing = next(folder for folder in (absolute, *absolute.parents) if os.path.lexists(folder))
            if not existing.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(existing))
            if not os.access(existing, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "seqforge may not write to this folder", str(existing))

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """Open an existing run directory.

        Raises:
            RunError: If the path is not a run directory, if its format has an unknown version, if it cannot be read, or
                if it contains a link, a pipe or a device where this program reads, writes or deletes files.
        """
        path = Path(path)
        name = str(path) if len(str(path)) <= 100 else f"{str(path)[:100]}…"
        with reported_failures(f"opening {name}"):
            try:
                kind = kind_of(path.stat().st_mode)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise RunError(f"{name}: no such folder", hint=suggest_runs(path)) from error
            if kind != FOLDER:
                raise RunError(f"{name}: it is {kind}, not a run directory", hint=suggest_runs(path))
            try:
                (path / MARKER).lstat()
            except FileNotFoundError as error:
                raise RunError(f"{path}: this folder is not a run directory", hint=suggest_runs(path)) from error
            RunMarker.read(path / MARKER)
            _check_kinds(path)
            remove_abandoned(path.absolute().parent)
        return cls(path)

    def check_exists(self) -> None:
        """Check that the directory has not been deleted or moved since it was opened.

        Raises:
            RunError: If it is missing.
        """
        if not (self.path / MARKER).exists():
            raise RunError(
                f"{self.path}: the run directory was deleted or moved after it was opened",
                hint="Open it again where it is now.",
            )

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """Hold the lock of the run inside the block, so that no other process trains it.

        Raises:
            RunError: If another process holds the lock, if the directory cannot be written, or if it contains a link.
        """
        with contextlib.ExitStack() as held:
            with reported_failures(f"locking {self.path}", "Training writes to the run directory."):
                _check_kinds(self.path)  # again, since the corpus may have been encoded for minutes
                if not held.enter_context(hold_lock(self.path / LOCK, seconds=LOCK_SECONDS)):
                    raise RunError(
                        f"{self.path}: another process is training this run",
                        hint="Wait for that process, or stop it.",
                    )
                held.enter_context(_recorded_crashes(self.path / CRASH))
                # Some file systems give a folder that no process has opened another number. See `RunRecord`.
                if sys.platform != "win32":
                    held.callback(os.close, os.open(self.path, os.O_RDONLY))
            yield

    def read_experiment(self) -> Table:
        """Return the tables of `experiment.toml`.

        Its last line is its checksum. A file without it was edited by its owner, and is not verified.

        Raises:
            RunError: If the file is missing, damaged or cannot be read.
            ExperimentError: If it is not TOML.
        """
        path, restore = self.experiment, "Restore the file from a copy of the run directory."
        if not path.exists():
            raise RunError(f"{path}: the file is missing", hint=restore)
        with reported_failures(f"reading {path}"):
            content = read_bounded(path, MAXIMUM_SIZE)
        if b"\n" + LAST_LINE.before in content:
            try:
                content = unseal(content)
            except ValueError as error:
                edited = "If you edited it yourself, delete its last line, which is the checksum."
                raise RunError(f"{path}: damaged: {error}", hint=f"{restore} {edited}") from error
        return parse_table(content, path)

    def write_experiment(self, experiment: "Experiment") -> None:
        """Write the experiment with every default.

        Raises:
            ExperimentError: If it is too large to be read again.
            RunError: If the file cannot be written.
        """
        content = seal(experiment.to_toml().rstrip("\n").encode() + b"\n")
        if len(content) > MAXIMUM_SIZE:
            raise ExperimentError(
                f"with whole paths, the experiment has {len(content):,} bytes; the limit is {MAXIMUM_SIZE:,}",
                hint='Name many files by a pattern, such as files = ["texts/*.txt"].',
            )
        with reported_failures(f"writing {self.experiment}"):
            write_atomically(self.experiment, content)

    @property
    def experiment(self) -> Path:
        """The experiment as TOML, with every default."""
        return self.path / "experiment.toml"

    @property
    def metrics(self) -> Path:
        """The metrics log: one JSON object per line."""
        return self.path / METRICS

    @property
    def initial(self) -> Path:
        """Folder of the initial weights of a fine-tuned run; other runs have none."""
        return self.path / "initial"

    @property
    def samples(self) -> Path:
        """Folder of the samples."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"


@contextlib.contextmanager
def _recorded_crashes(path: Path) -> Generator[None]:
    """Write the signal and the place of a crash of this process inside the block, such as SIGSEGV, to a file."""
    path.unlink(missing_ok=True)
    was_enabled = faulthandler.is_enabled()
    with open_regular(path, "xb") as file:
        own = os.fstat(file.fileno())
        faulthandler.enable(file)
        try:
            yield
        finally:  # which a crash does not reach
            faulthandler.disable()
            if was_enabled:
                faulthandler.enable(sys.__stderr__ or 2)
            file.close()  # since Windows deletes no open file
            with contextlib.suppress(OSError):
                if os.path.samestat(own, path.stat()):  # Another run may have its place by now.
                    path.unlink()


def _check_kinds(path: Path) -> None:
    """Check that everything that belongs to a run is a regular file or a folder.

    Training writes and deletes files there. Through a link, it would do so outside the run directory.
    """
    for names, expected in ((FILES, REGULAR_FILE), (FOLDERS, FOLDER)):
        for name in names:
            for entry, kind in _kinds_below(path / name):
                if kind not in (REGULAR_FILE, FOLDER) or (entry.parent == path and kind != expected):
                    raise RunError(
                        f"{entry}: it is {kind}, not {expected if entry.parent == path else REGULAR_FILE}",
                        hint="seqforge does not open such a run directory, since it would use files elsewhere. "
                        "Replace a link by what it refers to, or delete it.",
                    )


def _kinds_below(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield a path, and everything in it if it is a folder, with the kind of each. Links are not followed."""
    pending = [path]
    while pending:
        entry = pending.pop()
        # A process that trains this run may delete files at the same time.
        with contextlib.suppress(FileNotFoundError):
            kind = kind_of(entry.lstat().st_mode)
            yield entry, kind
            if kind == FOLDER:
                pending += entry.iterdir()


def suggest_runs(path: Path) -> str:
    """Return a hint with the runs near a path that is not a run directory."""
    if path.suffix == ".toml" and path.is_file():
        command, example = f"seqforge run {quote_path(path)}", Path("runs", path.stem)
        return f"A run directory is a folder that `{command}` creates, such as {example}."
    folder = path if path.is_dir() else path.parent
    try:
        runs = _runs_in(folder) or _runs_in(Path("runs"))  # Most runs are there.
    except OSError:
        return "A run directory is a folder that `seqforge run` has created."
    if match := nearest(path.name, [run.name for run in runs]):
        return f"Did you mean {next(run for run in runs if run.name == match)}?"
    if runs:
        return f"Runs in {runs[0].parent}: {', '.join(map(str, runs[:10]))}."
    place = "this folder" if folder == Path() else folder
    return f"There is no run in {place}." if folder.is_dir() else f"The folder {folder} does not exist either."


def _runs_in(folder: Path) -> list[Path]:
    """Return the run directories in a folder, the newest first."""
    markers = sorted(folder.glob(f"*/{MARKER}"), key=lambda marker: marker.stat().st_mtime, reverse=True)
    # A hidden folder is a run that is being created.
    return [marker.parent for marker in markers if marker.parent.name[0] != "."]
