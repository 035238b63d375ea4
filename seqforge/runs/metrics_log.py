"""`metrics.jsonl`: a line for every logged step, evaluation and sample."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from seqforge.files import reported_failures, write_atomically


class MetricsLog:
    """Appends to the file, each line in one write, so that a reader never sees half of one that is not the last.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        """Write one line.

        Args:
            event: "step", "evaluation" or "sample".
            step: Optimizer steps done.
            values: The figures; None, and what is not finite, is left out.
        """
        # Neither is a figure that a line of JSON can hold.
        known = {key: value for key, value in values.items() if value is not None and not _is_endless(value)}
        record = {"event": event, "step": step, **known}
        with (
            reported_failures(f"writing {self._path}", "Then go on with `seqforge run --resume`."),
            self._path.open("ab") as file,
        ):
            file.write(json.dumps(record).encode() + b"\n")

    def truncate(self, step: int) -> None:
        """Drop what was written after a checkpoint, as a resumed run will write it again.

        Args:
            step: The checkpoint's.
        """
        if not self._path.exists():
            return
        kept = [record for record in read_metrics(self._path) if record["step"] <= step]
        with reported_failures(f"writing {self._path}"):
            write_atomically(self._path, "".join(json.dumps(record) + "\n" for record in kept).encode())


def _is_endless(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a `metrics.jsonl`; those from one on that a crash cut off are left out.

    Args:
        path: The file; where it is missing there are no lines.
    """
    if not path.exists():
        return []
    records: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines():
        try:
            record: Any = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict) or not isinstance(cast("dict[str, Any]", record).get("step"), int):
            break
        records.append(cast("dict[str, Any]", record))
    return records
