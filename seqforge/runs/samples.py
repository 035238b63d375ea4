"""The samples of a run: a text file for each, whose checksum is in the line of the metrics log about its step."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from seqforge.errors import warn
from seqforge.storage.files import checksum_file, reported_failures, write_atomically
from seqforge.storage.records import describe_content

SAMPLE, CHECKSUMS = "sample", "checksums"
"""Event of a line of the metrics log about samples, and its key with the checksum of each."""


def write_samples(folder: Path, step: int, texts: Sequence[str]) -> list[str]:
    """Write each sample of a step to a file, and return the checksums.

    Raises:
        RunError: If a file cannot be written.
    """
    contents = [text.encode("utf-8", "replace") for text in texts]
    with reported_failures(f"writing a sample to {folder}"):
        for path, content in zip(_paths(folder, step, len(contents)), contents, strict=True):
            write_atomically(path, content)
    return [describe_content(content).checksum for content in contents]


def find_samples(folder: Path, record: Mapping[str, Any]) -> list[Path]:
    """Return the files of the samples of a step. Files that are missing or changed are left out, with a warning.

    Args:
        folder: Folder of the samples.
        record: Line of the metrics log about these samples.
    """
    found: list[Path] = []
    checksums: Any = record.get(CHECKSUMS)
    checksums = cast("list[Any]", checksums) if isinstance(checksums, list) else []
    for path, checksum in zip(_paths(folder, record["step"], len(checksums)), checksums, strict=True):
        with contextlib.suppress(OSError):
            if checksum_file(path) == checksum:
                found.append(path)
                continue
        warn(f"{path}: left out, since it is missing or not the text that the run has written")
    return found


def _paths(folder: Path, step: int, count: int) -> Iterable[Path]:
    numbers = (f"-{number}" if count > 1 else "" for number in range(1, count + 1))
    return (folder / f"step-{step:08d}{number}.txt" for number in numbers)
