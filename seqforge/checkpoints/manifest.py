"""The manifest of a checkpoint, with its validation loss, from which the best checkpoint is found."""

from pathlib import Path
from typing import ClassVar

from seqforge.manifests import FileName, FileRecord, Manifest, describe_files, read_manifest

RUN_FILES = ("vocabulary.json", "example_spec.json")
"""Files of the run directory that decide what the tokens and the outputs of a checkpoint mean."""


class CheckpointManifest(Manifest):
    """The manifest of a checkpoint.

    Attributes:
        loss: Validation loss of the checkpoint; None if it was not evaluated.
        run: Files of the run directory that belong to the checkpoint, by name.
    """

    FORMAT_VERSION: ClassVar[int] = 1

    loss: float | None
    run: dict[FileName, FileRecord]


def read_checkpoint_manifest(checkpoint: Path) -> CheckpointManifest:
    """Read the manifest of a checkpoint.

    Raises:
        DamagedFileError: If it is missing or damaged, or if its format version is unknown.
        OSError: If it cannot be read for another reason.
    """
    return read_manifest(checkpoint, CheckpointManifest, root=run_folder(checkpoint))


def describe_run_files(run: Path) -> dict[str, FileRecord]:
    """Return the records of the files of a run directory that belong to each of its checkpoints.

    Raises:
        OSError: If a file cannot be read.
    """
    return describe_files(run / name for name in RUN_FILES if (run / name).exists())


def run_folder(checkpoint: Path) -> Path:
    """Return the run directory of a checkpoint, `RUN/checkpoints/step-…`, or of initial weights, `RUN/initial`."""
    return checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
