"""Where a run lives on disk."""

import contextlib
import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import filelock

from seqforge.errors import RunError
from seqforge.experiment.tables import is_utf8
from seqforge.files import read_json, reported_failures, write_atomically

FORMAT_VERSION = 1
MARKER = "run.json"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A run's files.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def create(cls, parent: Path, name: str) -> "RunDirectory":
        """Make a new folder: the experiment's name, with a number behind it where that is taken.

        Args:
            parent: Where runs are kept; made where it is missing.
            name: The experiment's name.

        Raises:
            RunError: Where it cannot be written.
        """
        if not is_utf8(str(parent)):
            raise RunError(
                f"{str(parent)!r}: the folder's name is not text in UTF-8",
                hint="Name another place with --output, since the run could not be opened there.",
            )
        with reported_failures(f"making a run directory in {parent}", "Name another place with --output."):
            parent.mkdir(parents=True, exist_ok=True)
            path, number = parent / name, 1
            # mkdir is atomic: of two runs that start at once, one gets the name and the other the next.
            while not _made(path):
                number += 1
                path = parent / f"{name}-{number}"
            run = cls(path)
            run.checkpoints.mkdir()
            run.samples.mkdir()
            write_atomically(path / MARKER, json.dumps({"version": FORMAT_VERSION}).encode())
        return run

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """Open an existing run.

        Args:
            path: Its folder.

        Raises:
            RunError: Where that is no run directory, or of a version that this program does not know.
        """
        path = Path(path)
        try:
            reason = None if path.is_dir() else "is no folder" if path.exists() else "no such folder"
        except OSError as error:  # a name too long for the system, or a folder that may not be looked into
            reason = error.strerror
        if reason:
            shown = str(path) if len(str(path)) <= 100 else f"{str(path)[:100]}…"
            raise RunError(f"{shown}: {reason}", hint=_runs_near(path.parent))
        try:
            version = read_json(path / MARKER)["version"]
        except FileNotFoundError as error:
            raise RunError(f"{path}: not a run directory: it holds no {MARKER}", hint=_runs_near(path)) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path / MARKER}: damaged: {error}") from error
        if version != FORMAT_VERSION:
            raise RunError(
                f"{path}: a run directory of version {version}; this program knows version {FORMAT_VERSION}",
                hint="Open it with the version of seqforge that its experiment.toml names.",
            )
        return cls(path)

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Keep other processes from training this run.

        Raises:
            RunError: Where one does.
        """
        try:
            with filelock.FileLock(self.path / ".lock", timeout=0):
                yield
        except filelock.Timeout as error:
            raise RunError(
                f"{self.path}: another process is training this run", hint="Wait for it, or stop it."
            ) from error

    @property
    def experiment(self) -> Path:
        """The experiment as resolved."""
        return self.path / "experiment.toml"

    @property
    def vocabulary(self) -> Path:
        """What the vocabulary learnt."""
        return self.path / "vocabulary.json"

    @property
    def spec(self) -> Path:
        """What labelled examples are made of; not there in a run of a language model."""
        return self.path / "example_spec.json"

    @property
    def metrics(self) -> Path:
        """Figures of every logged step, evaluation and sample, a JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """Folder of samples."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"


def _made(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def locate(path: Path) -> tuple[Path, str | None]:
    """Tell a run from one of its checkpoints.

    Args:
        path: Either.

    Returns:
        The run's folder, and the checkpoint's step where `path` was one.
    """
    absolute = path.absolute()
    if absolute.parent.name == "checkpoints" and absolute.name.startswith("step-"):
        run = path.parent.parent if len(path.parts) > 2 else absolute.parent.parent
        return run, absolute.name.removeprefix("step-").lstrip("0") or "0"
    return path, None


def _runs_near(folder: Path) -> str:
    try:
        markers = sorted(folder.glob(f"*/{MARKER}"), key=lambda marker: marker.stat().st_mtime, reverse=True)
        if not folder.is_dir():
            return f"The folder {folder} does not exist either."
    except OSError:
        return "A run is a folder that `seqforge run` has made."
    runs = [str(marker.parent) for marker in markers[:10]]
    return f"Runs in {folder}: {', '.join(runs)}." if runs else f"{folder} holds no run."
