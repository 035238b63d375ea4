"""Small JSON files with checksums (XXH3), which detect damage, and manifests of folders.

A checksum does not protect against a person who changes a file on purpose, because that person can also change the
checksum. A file that ends with its own checksum is replaced in one atomic write. With the checksum in another file, a
process could be killed between the two writes.

A manifest states the size and the checksum of every file of a folder. It is written last, so that a folder with a
manifest is complete. Checkpoints and entries of the cache have one.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, cast

import xxhash
from pydantic import BaseModel, ConfigDict, NonNegativeInt, StringConstraints, ValidationError

from seqforge.storage.files import checksum_file, parse_json, read_bounded, write_atomically


class Seal(NamedTuple):
    """Format in which a checksum is appended to a content.

    Attributes:
        before: Text between the content and the checksum.
        after: Text after the checksum.
        moved: Text at the end of the content that is removed before the checksum is appended, such as the closing brace
            of a JSON object, which `after` then contains.
    """

    before: bytes
    after: bytes
    moved: bytes


JSON_KEY = Seal(b', "checksum": "', b'"}', b"}")
"""The last key of a JSON object on one line."""

LAST_LINE = Seal(b"# checksum: ", b"\n", b"")
"""The last line of a file, which is a comment in TOML."""


def seal(content: bytes, form: Seal = LAST_LINE) -> bytes:
    """Return a content with its checksum at its end."""
    return content.removesuffix(form.moved) + form.before + xxhash.xxh3_64_hexdigest(content).encode() + form.after


def unseal(content: bytes, form: Seal = LAST_LINE) -> bytes:
    """Return a content without its checksum.

    Raises:
        ValueError: If the content does not match its checksum, or has none.
    """
    start, found, end = content.rpartition(form.before)
    whole = start + form.moved
    if not found:
        raise ValueError("it does not end with a checksum")
    if end != xxhash.xxh3_64_hexdigest(whole).encode() + form.after:
        raise ValueError("its content does not match its checksum")
    return whole


def to_sealed_json(values: Mapping[str, Any]) -> bytes:
    """Return a JSON object on one line, whose last key is the checksum of the rest.

    Args:
        values: The other keys; at least one.
    """
    return seal(json.dumps(values).encode(), JSON_KEY)


def parse_sealed_json(content: bytes) -> dict[str, Any]:
    """Return the values of a JSON object without its checksum.

    Raises:
        ValueError: If the object does not match its checksum, has none, or is not valid; see `parse_json`.
    """
    values = parse_json(unseal(content, JSON_KEY))
    if not isinstance(values, dict):
        raise ValueError("it is not an object")
    return cast("dict[str, Any]", values)


MANIFEST = "manifest.json"

FileName = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$", max_length=255)]
"""Name of a file in a folder. It cannot lead to another folder."""


class FileRecord(BaseModel):
    """The size in bytes and the XXH3 checksum of a file."""

    model_config = ConfigDict(strict=True, frozen=True)

    size: NonNegativeInt
    checksum: str


class Manifest(BaseModel):
    """The content of `manifest.json`, to which each kind of folder adds its own.

    Attributes:
        version: Version of the format of the folder.
        files: Files of the folder, by name.
    """

    FORMAT_VERSION: ClassVar[int]

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    version: int
    files: dict[FileName, FileRecord]


ManifestT = TypeVar("ManifestT", bound=Manifest)


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


def describe_files(paths: Iterable[Path]) -> dict[str, FileRecord]:
    """Return the records of files, by name.

    Raises:
        OSError: If a file cannot be read.
    """
    return {path.name: FileRecord(size=path.stat().st_size, checksum=checksum_file(path)) for path in paths}


def write_manifest(folder: Path, manifest: Manifest, *, root: Path | None = None) -> None:
    """Write or replace the manifest of a folder.

    Args:
        folder: The folder.
        manifest: The manifest.
        root: Folder that the user named and that contains the folder. No folder between them may be a link.

    Raises:
        OSError: If it cannot be written.
    """
    write_atomically(folder / MANIFEST, to_sealed_json(manifest.model_dump()), root=root)


def read_manifest(folder: Path, kind: type[ManifestT], *, root: Path | None = None) -> ManifestT:
    """Read the manifest of a folder; `root` is that of `write_manifest`.

    Raises:
        DamagedFileError: If it is missing or damaged, or if its format version is unknown.
        OSError: If it cannot be read for another reason.
    """
    path = folder / MANIFEST
    try:
        values = parse_sealed_json(read_bounded(path, root=root))
        if values.get("version") != kind.FORMAT_VERSION:
            found = f"format version {values.get('version')}"
            raise DamagedFileError(path, f"{found}; this program reads version {kind.FORMAT_VERSION}")
        return kind.model_validate(values)
    except FileNotFoundError as error:
        raise DamagedFileError(path, "the file is missing") from error
    except ValidationError as error:
        raise DamagedFileError(path, f"damaged: {error.errors(include_url=False)[0]['msg']}") from error
    except DamagedFileError:
        raise
    except ValueError as error:
        raise DamagedFileError(path, f"damaged: {error}") from error


def verify_files(
    folder: Path,
    records: Mapping[str, FileRecord],
    names: Iterable[str],
    *,
    root: Path | None = None,
    report: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Check the sizes of files, and then their checksums.

    Args:
        folder: Folder of the files.
        records: Records of a manifest.
        names: Names of the files to check.
        root: Folder that the user named and that contains the folder. No folder between them may be a link.
        report: Function that receives the verified fraction of the bytes, before each file.

    Raises:
        DamagedFileError: If a file is missing, not in the manifest, or differs from its record.
        OSError: If a file cannot be read for another reason.
    """
    chosen: list[tuple[Path, FileRecord]] = []
    for name in names:
        path = folder / name
        if name not in records:
            raise DamagedFileError(path, f"the {MANIFEST} does not name this file")
        chosen.append((path, records[name]))
        try:
            size = path.lstat().st_size
        except FileNotFoundError as error:
            raise DamagedFileError(path, "the file is missing") from error
        if size != records[name].size:
            raise DamagedFileError(path, f"damaged: it has {size:,} bytes, and was written with {records[name].size:,}")
    done, total = 0, sum(record.size for _, record in chosen) or 1
    for path, record in chosen:
        report(done / total)
        if checksum_file(path, root=root) != record.checksum:
            raise DamagedFileError(path, "damaged: its content does not match its checksum")
        done += record.size
