"""Verification of checkpoints, and errors that name the damaged file and a whole checkpoint to use instead."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from seqforge.errors import RunError, open_in_python, quote_path
from seqforge.storage.records import (
    MANIFEST,
    DamagedFileError,
    FileName,
    FileRecord,
    Manifest,
    describe_files,
    verify_files,
)

RUN_FILES = ("vocabulary.json", "example_spec.json")
"""Files of the run directory that decide what the tokens and the outputs of a checkpoint mean."""


class CheckpointManifest(Manifest):
    """The manifest of a checkpoint.

    Attributes:
        loss: Validation loss of the checkpoint; None if it was not evaluated.
        run: Files of the run directory that belong to the checkpoint, by name.
    """

    VERSION = 1

    loss: float | None
    run: dict[FileName, FileRecord]


def describe_run_files(run: Path) -> dict[str, FileRecord]:
    """Return the records of the files of a run directory that belong to each of its checkpoints.

    Raises:
        OSError: If a file cannot be read.
    """
    return describe_files(run / name for name in RUN_FILES if (run / name).exists())


def run_folder(checkpoint: Path) -> Path:
    """Return the run directory of a checkpoint, `RUN/checkpoints/step-…`, or of initial weights, `RUN/initial`."""
    return checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent


def step_folders(folder: Path) -> dict[int, Path]:
    """Return the checkpoints in a folder by their step, in ascending order.

    Raises:
        RunError: If the folder cannot be read.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunError(f"{folder}: cannot be read: {error.strerror}") from error
    steps = {name: name.removeprefix("step-") for name in names if name.startswith("step-")}
    return dict(sorted((int(step), folder / name) for name, step in steps.items() if step.isdecimal()))


def verify_checkpoint(checkpoint: Path, names: Iterable[str] = ()) -> CheckpointManifest:
    """Check files of a checkpoint, and the files of its run on which its meaning depends, and return its manifest.

    Args:
        checkpoint: Folder of the checkpoint.
        names: Names of the files of the checkpoint to check, in addition to the manifest.

    Raises:
        RunError: If a file is missing, damaged or cannot be read.
    """
    try:
        return _verify(checkpoint, CheckpointManifest.read(checkpoint / MANIFEST), names)
    except DamagedFileError as error:
        raise damaged(checkpoint, error.path, error.reason) from error
    except OSError as error:
        raise RunError(f"{error.filename or checkpoint}: cannot be read: {error.strerror}") from error


def damaged(checkpoint: Path, file: Path, reason: str) -> RunError:
    """Return the error for a damaged file, with a hint that names a whole checkpoint.

    Args:
        checkpoint: Folder of the checkpoint that cannot be used.
        file: The damaged file.
        reason: What is wrong with the file.
    """
    hint = python_hint = "Restore the file from a copy of the run directory."
    if file.parent != run_folder(checkpoint):
        hint, python_hint = _offer(checkpoint)
    return RunError(f"{file}: {reason}", hint=hint, python_hint=python_hint)


def _offer(checkpoint: Path) -> tuple[str, str]:
    """Return a hint that names a whole checkpoint, for the command line and for Python."""
    folders = step_folders(checkpoint.parent)
    earlier = [path for path in folders.values() if path.name < checkpoint.name]
    later = [path for path in folders.values() if path.name > checkpoint.name]
    for path in [*reversed(earlier), *reversed(later)]:
        with contextlib.suppress(RunError, OSError):
            manifest = CheckpointManifest.read(path / MANIFEST)
            _verify(path, manifest, manifest.files)
            place = "last whole checkpoint before it" if path in earlier else "last whole checkpoint"
            offer, step = f"The {place} is {path}. To resume from it: ", int(path.name.removeprefix("step-"))
            return (
                f"{offer}seqforge run --resume {quote_path(path)}\n"
                "Other commands, such as seqforge sample, take this path in place of the run's.",
                f"{offer}{open_in_python(run_folder(checkpoint))}.resume({step})\n"
                f"Other methods, such as sample, take checkpoint={step}.",
            )
    none = "The run has no other whole checkpoint. Restore the file from a copy, or start a new run."
    return none, none


def _verify(checkpoint: Path, manifest: CheckpointManifest, names: Iterable[str]) -> CheckpointManifest:
    verify_files(checkpoint, manifest.files, names)
    verify_files(run_folder(checkpoint), manifest.run, manifest.run)
    return manifest
