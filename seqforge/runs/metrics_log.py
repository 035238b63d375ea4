"""Logs: a JSON object per line. `metrics.jsonl` has a line per logged step, evaluation and sample.

Each sample is a text file, whose checksum is in the line about its step.

The checksum of a line also depends on that of the line before it, and the manifest of a checkpoint has the checksum of
the line that was the last at that moment. So a line that is missing, repeated or at another place is noticed, as one
that is damaged.
"""

import contextlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from seqforge.errors import RunError, quote_path, warn
from seqforge.runs.verification import CheckpointManifest, step_folders
from seqforge.storage.files import checksum_file, open_regular, read_bounded, reported_failures, write_atomically
from seqforge.storage.records import JSON_KEY, MANIFEST, describe_content, parse_json, to_sealed_json, unseal

METRICS, HISTORY = "metrics.jsonl", "history.jsonl"

MAXIMUM_SIZE = 1024 * 1024 * 1024
"""Largest size of a log in bytes."""

_END = len('0123456789abcdef"}\n')
"""Number of bytes at the end of a line on which the checksum of the next line depends: its own checksum."""

_LAST_LINES = 4
"""Number of lines at the end of a log that a summary needs: a step, an evaluation, and a sample."""

_MOST_PLACES = 5
"""Largest number of places that a warning names."""


SAMPLE, CHECKSUMS = "sample", "checksums"
"""Event of a line of the metrics log about samples, and its key with the checksum of each."""


@dataclass(frozen=True, slots=True)
class MetricsLog:
    """A log that is being written. Each line is one write, so that a reader sees at most one partial line.

    If a line cannot be written, none of it stays.
    """

    path: Path

    def append(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        """Append one line. Values that are None, infinite or not a number are omitted."""
        defined = {
            key: value
            for key, value in values.items()
            if value is not None and (not isinstance(value, float) or math.isfinite(value))
        }
        hint = f"To resume the run: seqforge run --resume {quote_path(self.path.parent)}"
        with reported_failures(f"writing {self.path}", hint):
            line = to_sealed_json({"event": event, "step": step, **defined}, _read_end(self.path)) + b"\n"
            with open_regular(self.path, "ab") as file:
                descriptor = file.fileno()
                size = os.fstat(descriptor).st_size
                try:
                    written = os.write(descriptor, line)
                    if written < len(line):  # The rest fails with the reason, such as a full disk.
                        os.write(descriptor, line[written:])
                except OSError:
                    with contextlib.suppress(OSError):
                        os.ftruncate(descriptor, size)
                    raise

    def sync(self) -> None:
        """Sync the log to disk, so that a power failure does not lose lines of steps that have a checkpoint."""
        if self.path.exists():
            with reported_failures(f"writing {self.path}"), open_regular(self.path, "ab") as file:
                os.fsync(file.fileno())

    def find(self, event: str, step: int) -> dict[str, Any] | None:
        """Return the last record of an event at a step, or None if there is none."""
        records = _parse(_read_whole_lines(self.path, report=False)).values()
        found = [record for record in records if record["event"] == event and record["step"] == step]
        return found[-1] if found else None

    def truncate(self, step: float = math.inf) -> None:
        """Delete the lines of later steps, since a run that is resumed at this step writes them again.

        The rest of a line that was not written whole is deleted too. Damaged lines stay, with a warning.
        """
        if not self.path.exists():
            return
        records = _parse(_read_whole_lines(self.path)).items()
        later = (start for start, record in records if record["step"] > step)
        with reported_failures(f"writing {self.path}"), open_regular(self.path, "ab") as file:
            os.ftruncate(file.fileno(), next(later, _read_content(self.path).rfind(b"\n") + 1))


def to_lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Return records as the content of a log."""
    content, previous = bytearray(), b""
    for record in records:
        line = to_sealed_json(record, previous) + b"\n"
        content += line
        previous = line[-_END:]
    return bytes(content)


def describe_logs(run: Path) -> dict[str, str]:
    """Return the checksum of the last line of each log of a run, by name; a log without lines has none.

    Raises:
        OSError: If a log cannot be read.
    """
    ends = {name: _read_end(run / name) for name in (METRICS, HISTORY)}
    return {name: end[:16].decode("ascii", "replace") for name, end in ends.items() if end}


def read_metrics(path: Path, *, summary: bool = False) -> list[dict[str, Any]]:
    """Return the records of a log. Lines that are damaged or not at their place are left out, with a warning.

    A summary has only the evaluations and the last lines, so that a list of many long runs appears at once.

    Returns:
        One record per line, or an empty list if there is no file.

    Raises:
        RunError: If the file cannot be read.
    """
    lines = _read_whole_lines(path)
    if summary:
        last = list(lines)[-_LAST_LINES:]
        lines = {
            start: line for start, line in lines.items() if start in last or line.startswith(b'{"event": "evaluation"')
        }
    return list(_parse(lines).values())


def _parse(lines: Mapping[int, bytes]) -> dict[int, dict[str, Any]]:
    """Return the records in whole lines. Lines that are no records, which somebody else can write, are left out."""
    records: dict[int, dict[str, Any]] = {}
    for start, line in lines.items():
        with contextlib.suppress(ValueError):
            record = parse_json(line)
            if isinstance(record.get("step"), int) and isinstance(record.get("event"), str):
                records[start] = record
    return records


def _describe_gap(lines: Sequence[bytes], index: int) -> str:
    """Describe the place of a gap before the line with an index."""
    records = _parse({place: lines[place] for place in (index - 1, index) if 0 <= place < len(lines)})
    before, after = (f"step {records[place]['step']:,}" if place in records else "" for place in (index - 1, index))
    if before and after:
        return f"between {before} and {after}"
    return f"after {before}" if before else f"before {after}" if after else "everywhere"


def _read_end(path: Path) -> bytes:
    """Return the bytes of a log on which the checksum of its next line depends; none if the log has no lines."""
    try:
        with open_regular(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _END))
            return file.read(_END)
    except FileNotFoundError:
        return b""


def _read_content(path: Path) -> bytes:
    with reported_failures(f"reading {path}"):
        return read_bounded(path, MAXIMUM_SIZE)


def _read_whole_lines(path: Path, *, report: bool = True) -> dict[int, bytes]:
    """Return the whole lines of a log without their checksums, by their place in the file.

    What follows the last line break is not a line: a process is writing it, or was killed meanwhile. With `report`,
    lines that are missing, damaged or not in their order are warned of.
    """
    last = _find_last_line(path)  # before the log is read, since a run that trains extends it
    content = _read_content(path) if path.exists() else b""
    lines: dict[int, bytes] = {}
    gaps: dict[int, None] = {}  # each as the number of whole lines before it
    start, previous = 0, b""
    while stop := content.find(b"\n", start) + 1:
        try:
            lines[start] = unseal(content[start : stop - 1], JSON_KEY, previous)
        except ValueError:
            gaps[len(lines)] = None
        start, previous = stop, content[max(0, stop - _END) : stop]
    if last is not None and last + b'"}\n' not in content:
        gaps[len(lines)] = None
    if gaps and report:
        shown = [_describe_gap(list(lines.values()), gap) for gap in list(gaps)[:_MOST_PLACES]]
        others = f", and at {len(gaps) - _MOST_PLACES:,} other places" * (len(gaps) > _MOST_PLACES)
        warn(f"{path}: lines are missing, damaged or not in their order {', '.join(shown)}{others}")
    return lines


def _find_last_line(path: Path) -> bytes | None:
    """Return the checksum of the line that was the last at the latest checkpoint, or None if there is none."""
    for checkpoint in reversed(step_folders(path.parent / "checkpoints").values()):
        with contextlib.suppress(RunError):
            end = CheckpointManifest.read(checkpoint / MANIFEST).logs.get(path.name)
            return None if end is None else end.encode()
    return None


def number_of(record: Mapping[str, Any], name: str) -> float | None:
    """Return a value of a record if it is a number, since a log may come from someone else."""
    value = record.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def interval_of(record: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """Return the bootstrap interval of a value of a record, or None if it has none, or one that is damaged."""
    try:
        low, high = map(float, record["intervals"][name])
    except (KeyError, TypeError, ValueError):
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


_TRAINING = {
    "seconds": "seconds",
    "loss": "training_loss",
    "bits_per_character": "training_bits_per_character",
    "learning_rate": "learning_rate",
    "gradient_norm": "gradient_norm",
}
_VALIDATION = {"seconds": "seconds", "loss": "validation_loss", "bits_per_character": "validation_bits_per_character"}


def tabulate_losses(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each step that was logged or evaluated, in ascending order of steps.

    Returns:
        Rows with the same columns: `step`, `seconds`, `training_loss`, `validation_loss`, and, if the log has them,
        the bits per character, the learning rate, the gradient norm and the metrics of evaluations. A value that is
        not known at a step, or is not a number, is None.
    """
    rows: dict[int, dict[str, Any]] = {}
    columns = dict.fromkeys(("step", "seconds", "training_loss", "validation_loss"))
    for record in records:
        if record["event"] not in ("step", "evaluation"):
            continue
        names = _TRAINING if record["event"] == "step" else _VALIDATION
        values = {column: number_of(record, name) for name, column in names.items() if name in record}
        # Only the values of metrics, `metric.value`, have a dot in their name.
        values |= {name: number_of(record, name) for name in record if "." in name}
        rows.setdefault(record["step"], {"step": record["step"]}).update(values)
        columns |= dict.fromkeys(values)
    return [columns | rows[step] for step in sorted(rows)]


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
    """Return the files of the samples that a line of the metrics log is about.

    Files that are missing or changed are left out, with a warning.
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
