"""The manifest of a checkpoint: the size and the checksum of every file that the checkpoint consists of.

It is written last, so that a folder with a manifest is complete. It also holds the validation loss of the checkpoint,
from which the best one is found.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import xxhash
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from seqforge.checkpoints.checksums import parse_sealed_json, to_sealed_json
from seqforge.files import checksum_file, read_bounded, write_atomically

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
RUN_FILES = ("vocabulary.json", "example_spec.json")
"""Files of the run directory that decide what the tokens and the outputs of a checkpoint mean."""


class FileRecord(BaseModel):
    """The size in bytes and the XXH3 checksum of a file."""

    model_config = ConfigDict(strict=True, frozen=True)

    size: NonNegativeInt
    checksum: str


class Manifest(BaseModel):
    """The content of `manifest.json`.

    Attributes:
        version: Version of the checkpoint format.
        loss: Validation loss of the checkpoint; None if it was not evaluated.
        files: Files of the checkpoint, by name.
        run: Files of the run directory that belong to the checkpoint, by name.
    """

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    version: int
    loss: float | None
    files: dict[str, FileRecord]
    run: dict[str, FileRecord]


class DamagedFileError(ValueError):
    """A file that is missing or does not match the manifest.

    Attributes:
        path: The file.
        reason: What is wrong.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def describe_content(content: bytes) -> FileRecord:
    """Return the record of a file with this content."""
    return FileRecord(size=len(content), checksum=xxhash.xxh3_128_hexdigest(content))


def describe_run_files(run: Path) -> dict[str, FileRecord]:
    """Return the records of the files of a run directory that belong to each of its checkpoints.

    Raises:
        OSError: If a file cannot be read.
    """
    present = [run / name for name in RUN_FILES if (run / name).exists()]
    return {file.name: FileRecord(size=file.stat().st_size, checksum=checksum_file(file)) for file in present}


def write_manifest(checkpoint: Path, manifest: Manifest) -> None:
    """Write or replace the manifest of a checkpoint.

    Raises:
        OSError: If it cannot be written.
    """
    write_atomically(checkpoint / MANIFEST, to_sealed_json(manifest.model_dump()))


def read_manifest(checkpoint: Path) -> Manifest:
    """Read the manifest of a checkpoint.

    Raises:
        DamagedFileError: If it is missing or damaged, or if its format version is unknown.
        OSError: If it cannot be read for another reason.
    """
    path = checkpoint / MANIFEST
    try:
        values = parse_sealed_json(read_bounded(path))
        if values.get("version") != FORMAT_VERSION:
            raise DamagedFileError(
                path, f"format version {values.get('version')}; this program reads version {FORMAT_VERSION}"
            )
        return Manifest.model_validate(values)
    except FileNotFoundError as error:
        raise DamagedFileError(path, "the file is missing") from error
    except ValidationError as error:
        raise DamagedFileError(path, f"damaged: {error.errors(include_url=False)[0]['msg']}") from error
    except DamagedFileError:
        raise
    except ValueError as error:
        raise DamagedFileError(path, f"damaged: {error}") from error


def verify_files(folder: Path, records: Mapping[str, FileRecord], names: Iterable[str]) -> None:
    """Check the size and the checksum of files.

    Args:
        folder: Folder of the files.
        records: Records of a manifest.
        names: Names of the files to check.

    Raises:
        DamagedFileError: If a file is missing, not in the manifest, or differs from its record.
        OSError: If a file cannot be read for another reason.
    """
    for name in names:
        path, record = folder / name, records.get(name)
        if record is None:
            raise DamagedFileError(path, f"the {MANIFEST} of the checkpoint does not name this file")
        try:
            size = path.stat().st_size
            if size != record.size:
                raise DamagedFileError(path, f"damaged: it has {size:,} bytes, and was written with {record.size:,}")
            if checksum_file(path) != record.checksum:
                raise DamagedFileError(path, "damaged: its content does not match its checksum")
        except FileNotFoundError as error:
            raise DamagedFileError(path, "the file is missing") from error


def run_folder(checkpoint: Path) -> Path:
    """Return the run directory of a checkpoint, `RUN/checkpoints/step-…`, or of initial weights, `RUN/initial`."""
    return checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
