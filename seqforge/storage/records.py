"""Records: small JSON files with a version and a checksum, and manifests of the files of a folder.

A checksum (XXH3) detects damage. It does not protect against a person who changes a file on purpose, because that
person can also change the checksum. So values are checked, and everything that is read is bounded. The checksum is at
the end of the content that it protects, and both are one atomic write: with the checksum in another file, a process
could be killed between the two writes.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Never, Self, cast

import xxhash
from pydantic import BaseModel, ConfigDict, NonNegativeInt, StringConstraints, ValidationError

from seqforge.errors import RunError
from seqforge.storage.files import MAXIMUM_SIZE, checksum_file, describe_failure, read_bounded, write_atomically

MANIFEST = "manifest.json"

FileName = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$", max_length=255)]
"""Name of a file in a folder. It cannot lead to another folder."""


class DamagedFileError(RunError):
    """A file that is missing or damaged, or does not match the manifest."""

    def __init__(
        self, path: Path, reason: str, hint: str = "Restore the file from a copy of the run directory."
    ) -> None:
        super().__init__(f"{path}: {reason}", hint=hint)
        self.path = path
        self.reason = reason


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


def seal(content: bytes, form: Seal = LAST_LINE, previous: bytes = b"") -> bytes:
    """Return a content with its checksum at its end, which also depends on the bytes `previous`."""
    checksum = xxhash.xxh3_64_hexdigest(previous + content).encode()
    return content.removesuffix(form.moved) + form.before + checksum + form.after


def unseal(content: bytes, form: Seal = LAST_LINE, previous: bytes = b"") -> bytes:
    """Return a content without its checksum.

    Raises:
        ValueError: If the content does not match its checksum, or has none.
    """
    start, found, end = content.rpartition(form.before)
    whole = start + form.moved
    if not found:
        raise ValueError("it does not end with a checksum")
    if end != xxhash.xxh3_64_hexdigest(previous + whole).encode() + form.after:
        raise ValueError("its content does not match its checksum")
    return whole


def to_sealed_json(values: Mapping[str, Any], previous: bytes = b"") -> bytes:
    """Return a JSON object of at least one key on one line, with the checksum of the rest as the last key.

    The checksum also depends on the bytes `previous`.
    """
    return seal(json.dumps(values).encode(), JSON_KEY, previous)


MAXIMUM_ENTRIES = 1_000_000
"""Largest number of keys and items of a JSON object, which bounds the memory that it needs."""


def parse_json(text: bytes, maximum_entries: int = MAXIMUM_ENTRIES) -> dict[str, Any]:
    """Return the values of a JSON object.

    Raises:
        ValueError: If it is not UTF-8 or not JSON, is nested too deeply, or has too many entries; or if a number is
            infinite, not a number, or an integer of more than 64 bits.
    """
    if _count_entries(text) > maximum_entries:
        raise ValueError(f"it has more than {maximum_entries:,} entries")
    try:
        values = json.loads(text.decode(), parse_float=_finite, parse_int=_integer, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("it is not an object")
    return cast("dict[str, Any]", values)


def parse_sealed_json(content: bytes, maximum_entries: int = MAXIMUM_ENTRIES) -> dict[str, Any]:
    """Return the values of a JSON object without its checksum.

    Raises:
        ValueError: If it does not match its checksum or has none, or as in `parse_json`.
    """
    return parse_json(unseal(content, JSON_KEY), maximum_entries)


def _count_entries(text: bytes) -> int:
    """Return an upper bound of the number of keys and items: that of the signs before them, in strings too."""
    return sum(map(text.count, (b",", b"[", b"{")))


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _integer(text: str) -> int:
    # The length is compared first, since Python refuses to convert thousands of digits.
    if len(text) <= 20 and -(2**63) <= (number := int(text)) < 2**63:
        return number
    return _no_number(text)


def _no_number(text: str) -> Never:
    raise ValueError(f"the number {text[:20]}{'…' * (len(text) > 20)} is too large or not a number")


class Record(BaseModel):
    """The content of a small JSON file, with a version and a checksum.

    A subclass has the other keys of the file as attributes.

    Attributes:
        VERSION: Version of the format.
        MAXIMUM_SIZE: Largest size of the file in bytes.
        MAXIMUM_ENTRIES: Largest number of keys and items in it.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    VERSION: ClassVar[int]
    MAXIMUM_SIZE: ClassVar[int] = MAXIMUM_SIZE
    MAXIMUM_ENTRIES: ClassVar[int] = MAXIMUM_ENTRIES

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        return to_sealed_json({"version": self.VERSION, **self.model_dump()})

    def can_be_read(self) -> bool:
        """Return whether the file is as small as `read` requires."""
        content = self.to_bytes()
        return len(content) <= self.MAXIMUM_SIZE and _count_entries(content) <= self.MAXIMUM_ENTRIES

    def write(self, path: Path) -> None:
        """Write or replace the file atomically.

        Raises:
            OSError: If it cannot be written.
        """
        write_atomically(path, self.to_bytes())

    @classmethod
    def read(cls, path: Path, **others: Any) -> Self:
        """Read the file, which does not contain the values of some other attributes.

        Raises:
            DamagedFileError: If it is missing, damaged, too large, not a regular file, or of another version.
            RunError: If this user may not read it.
        """
        try:
            values = parse_sealed_json(read_bounded(path, cls.MAXIMUM_SIZE), cls.MAXIMUM_ENTRIES)
            version = values.pop("version", None)
            if version != cls.VERSION:
                raise DamagedFileError(
                    path,
                    f"format version {str(version)[:20]}; this program reads version {cls.VERSION}",
                    hint="Open it with the version of seqforge that wrote it.",
                )
            return cls.model_validate(values | others)
        except FileNotFoundError as error:
            raise DamagedFileError(path, "the file is missing") from error
        except PermissionError as error:
            raise describe_failure(error, f"reading {path}") from error
        except OSError as error:  # It is too large, or a link, a folder, a pipe or a device.
            raise DamagedFileError(path, error.strerror or str(error)) from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            problem = f"{'.'.join(map(str, first['loc']))[:100]}: {first['msg'][:200]}"
            raise DamagedFileError(path, f"damaged: {problem}") from error
        except ValueError as error:
            raise DamagedFileError(path, f"damaged: {error}") from error


class FileRecord(BaseModel):
    """The size in bytes and the XXH3 checksum of a file."""

    model_config = ConfigDict(strict=True, frozen=True)

    size: NonNegativeInt
    checksum: str


class Manifest(Record):
    """The content of `manifest.json`, to which each kind of folder adds its own.

    A manifest is written last, so that a folder with a manifest is complete.

    Attributes:
        files: Files of the folder, by name.
    """

    files: dict[FileName, FileRecord]


def describe_content(content: bytes) -> FileRecord:
    """Return the record of a file with this content."""
    return FileRecord(size=len(content), checksum=xxhash.xxh3_128_hexdigest(content))


def describe_files(paths: Iterable[Path]) -> dict[str, FileRecord]:
    """Return the records of files, by name.

    Raises:
        OSError: If a file cannot be read.
    """
    return {path.name: FileRecord(size=path.stat().st_size, checksum=checksum_file(path)) for path in paths}


def verify_files(
    folder: Path,
    records: Mapping[str, FileRecord],
    names: Iterable[str],
    report: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Check the sizes and the checksums of some files in a folder against the records of a manifest.

    Before each file, the verified fraction of the bytes is reported.

    Raises:
        DamagedFileError: If a file is missing, not in the manifest, or differs from its record.
        OSError: If a file cannot be read for another reason.
    """
    chosen = {folder / name: records.get(name) for name in names}
    done, total = 0, sum(record.size for record in chosen.values() if record is not None) or 1
    for path, record in chosen.items():
        report(done / total)
        if record is None:
            raise DamagedFileError(path, f"the {MANIFEST} does not name this file")
        try:
            size = path.lstat().st_size
        except FileNotFoundError as error:
            raise DamagedFileError(path, "the file is missing") from error
        if size != record.size:
            raise DamagedFileError(path, f"damaged: it has {size:,} bytes, and was written with {record.size:,}")
        if checksum_file(path) != record.checksum:
            raise DamagedFileError(path, "damaged: its content does not match its checksum")
        done += record.size
