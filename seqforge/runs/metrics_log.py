"""The metrics log `metrics.jsonl`: one JSON object per logged step, evaluation and sample, each with a checksum."""

import contextlib
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqforge.errors import open_in_python, quote_path, warn
from seqforge.storage.files import open_regular, read_bounded, reported_failures, write_atomically
from seqforge.storage.records import parse_sealed_json, to_sealed_json

_WHOLE = re.compile(rb'"checksum": "[0-9a-f]{16}"\}.', re.DOTALL)
MAXIMUM_SIZE = 1024 * 1024 * 1024
"""Largest size of a metrics log in bytes."""


@dataclass(frozen=True, slots=True)
class MetricsLog:
    """A metrics log that is being written. Each line is one write, so that a reader sees at most one partial line.

    If a line cannot be written, none of it stays.

    Attributes:
        path: The file.
    """

    path: Path

    def append(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        """Append one line. Values that are None, infinite or not a number are omitted."""
        defined = {key: value for key, value in values.items() if value is not None and not _is_non_finite(value)}
        line = to_sealed_json({"event": event, "step": step, **defined}) + b"\n"
        run = self.path.parent
        hint = f"To resume the run: seqforge run --resume {quote_path(run)}"
        python_hint = f"To resume the run: {open_in_python(run)}.resume()"
        with reported_failures(f"writing {self.path}", hint, python_hint), open_regular(self.path, "ab") as file:
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

    def drop_partial_line(self) -> None:
        """Delete a last line without a line break: the rest of it was lost in a power failure.

        Otherwise, the next line would be appended to it, and both would be damaged.
        """
        if not self.path.exists():
            return
        content = _read_content(self.path)
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with reported_failures(f"writing {self.path}"), open_regular(self.path, "ab") as file:
                os.ftruncate(file.fileno(), whole)

    def find(self, event: str, step: int) -> dict[str, Any] | None:
        """Return the last record of an event at a step, or None if there is none."""
        records, _ = _read(self.path)
        found = [record for record in records if record["event"] == event and record["step"] == step]
        return found[-1] if found else None

    def truncate(self, step: int) -> None:
        """Delete the lines of later steps, since a run that is resumed at this step writes them again.

        Damaged lines are deleted too. Then a warning names a copy of the log as it was.
        """
        records, damaged = _read(self.path)
        kept = [record for record in records if record["step"] <= step]
        if len(kept) == len(records) and not damaged:
            return
        with reported_failures(f"writing {self.path}"):
            if damaged:
                copy = _free_name(self.path)
                write_atomically(copy, read_bounded(self.path, MAXIMUM_SIZE))
                lines = "1 line was" if damaged == 1 else f"{damaged} lines were"
                warn(f"{self.path}: {lines} damaged and deleted, all others are kept. The log as it was: {copy}")
            write_atomically(self.path, to_lines(kept))


def to_lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Return records as the content of a log."""
    return b"".join(to_sealed_json(record) + b"\n" for record in records)


def parse_line(line: bytes) -> dict[str, Any]:
    """Return the record in a line of a log.

    Raises:
        ValueError: If the line is damaged, or has no step or event.
    """
    record = parse_sealed_json(line)
    if not (isinstance(record.get("step"), int) and isinstance(record.get("event"), str)):
        raise ValueError("it is not a record")
    return record


def _is_non_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem}.damaged-{number}{path.suffix}") for number in range(1, 1000))
    return next(name for name in names if not name.exists())


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a metrics log. Damaged lines are left out, with a warning.

    Returns:
        One record per line, or an empty list if there is no file.

    Raises:
        RunError: If the file cannot be read.
    """
    records, damaged = _read(path, may_be_partial=True)
    if damaged:
        warn(f"{path}: {damaged} of {damaged + len(records)} lines are damaged, and left out")
    return records


def _read_content(path: Path) -> bytes:
    with reported_failures(f"reading {path}"):
        return read_bounded(path, MAXIMUM_SIZE)


def _read(path: Path, *, may_be_partial: bool = False) -> tuple[list[dict[str, Any]], int]:
    """Return the records of a log, and the number of damaged lines.

    If `may_be_partial`, a last line that stops before its checksum is not damaged: the run may be writing it.
    """
    if not path.exists():
        return [], 0
    lines = _read_content(path).split(b"\n")
    records: list[dict[str, Any]] = []
    damaged = 0
    for number, line in enumerate(lines, start=1):
        is_last = number == len(lines)
        try:
            records.append(parse_line(line))
        except ValueError:
            is_partial = is_last and (not line or (may_be_partial and _WHOLE.search(line) is None))
            damaged += not is_partial
    return records, damaged


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

    Args:
        records: Records of a metrics log.

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
