"""Verification of checkpoints, and errors that name the damaged file and a whole checkpoint to use instead."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import NonNegativeInt

from seqforge.errors import RunError, quote_path
from seqforge.storage.files import describe_failure, reported_failures
from seqforge.storage.records import (
    MANIFEST,
    DamagedFileError,
    FileName,
    FileRecord,
    Manifest,
    describe_files,
    verify_files,
)

MARKER = "run.json"
"""File that marks a folder as a run directory, and identifies the run."""

RUN_FILES = (MARKER, "vocabulary.json", "example_spec.json")
"""Files of the run directory that identify the run, and decide what tokens and outputs of a checkpoint mean."""


class CheckpointManifest(Manifest):
    """The manifest of a checkpoint.

    Attributes:
        step: Step of the checkpoint; 0 for initial weights.
        loss: Validation loss of the checkpoint; None if it was not evaluated.
        run: Files of the run directory that belong to the checkpoint, by name.
        logs: Checksum of the line of each log that was the last when the manifest was written, by name.
    """

    VERSION = 2

    step: NonNegativeInt
    loss: float | None
    run: dict[FileName, FileRecord]
    logs: dict[FileName, str]


def run_folder(checkpoint: Path) -> Path:
    """Return the run directory of a checkpoint, `RUN/checkpoints/step-…`, or of initial weights, `RUN/initial`."""
    return checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent


def step_of(checkpoint: Path) -> int:
    """Return the step in the name of a checkpoint, `step-00000000`; 0 for initial weights."""
    return int(checkpoint.name.removeprefix("step-")) if checkpoint.parent.name == "checkpoints" else 0


def step_folders(folder: Path) -> dict[int, Path]:
    """Return the checkpoints in a folder by their step, in ascending order.

    Raises:
        RunError: If the folder cannot be read.
    """
    with reported_failures(f"reading {folder}"):
        try:
            names = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return {}
    steps = {name: name.removeprefix("step-") for name in names if name.startswith("step-")}
    return dict(sorted((int(step), folder / name) for name, step in steps.items() if step.isdecimal()))


def verify_checkpoint(checkpoint: Path, names: Iterable[str] = ()) -> CheckpointManifest:
    """Check files of a checkpoint, and the files of its run on which its meaning depends, and return its manifest.

    The manifest is always checked, and of the other files of the checkpoint those with the given names.

    Raises:
        RunError: If a file is missing, damaged or cannot be read.
    """
    try:
        return _verify(checkpoint, names)
    except DamagedFileError as error:
        raise damaged(checkpoint, error.path, error.reason) from error
    except OSError as error:
        raise describe_failure(error, f"reading {error.filename or checkpoint}") from error


def damaged(checkpoint: Path, file: Path, reason: str) -> RunError:
    """Return the error for a damaged file, with a hint that names a whole checkpoint."""
    of_run = file.parent == run_folder(checkpoint)
    hint = "Restore the file from a copy of the run directory." if of_run else _offer(checkpoint)
    return RunError(f"{file}: {reason}", hint=hint)


def _offer(checkpoint: Path) -> str:
    """Return a hint that names a whole checkpoint."""
    folders = step_folders(checkpoint.parent)
    earlier = [path for path in folders.values() if path.name < checkpoint.name]
    later = [path for path in folders.values() if path.name > checkpoint.name]
    for path in [*reversed(earlier), *reversed(later)]:
        with contextlib.suppress(RunError, OSError):
            _verify(path, None)
            place = "last whole checkpoint before it" if path in earlier else "last whole checkpoint"
            return (
                f"The {place} is {path}. To resume from it: seqforge run --resume {quote_path(path)}\n"
                "Other commands, such as seqforge sample, take this path in place of the run's."
            )
    return "The run has no other whole checkpoint. Restore the file from a copy, or start a new run."


def _verify(checkpoint: Path, names: Iterable[str] | None) -> CheckpointManifest:
    """Check the manifest of a checkpoint, and the files with these names, or all."""
    path, run = checkpoint / MANIFEST, run_folder(checkpoint)
    manifest = CheckpointManifest.read(path)
    if manifest.step != step_of(checkpoint):
        raise DamagedFileError(path, f"the checkpoint is that of step {manifest.step}, and was renamed or copied")
    if manifest.run.get(MARKER) != describe_files([run / MARKER])[MARKER]:
        raise DamagedFileError(path, "the checkpoint belongs to another run")
    verify_files(checkpoint, manifest.files, manifest.files if names is None else names)
    verify_files(run, manifest.run, manifest.run)
    return manifest
