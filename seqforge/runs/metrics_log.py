"""The metrics log `metrics.jsonl`: one JSON object per logged step, evaluation and sample."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from seqforge.files import reported_failures, write_atomically


class MetricsLog:
    """A metrics log that is being written. Each line is one write, so that a reader sees at most one partial line.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        """Append one line. Values that are None, infinite or not a number are omitted."""
        defined = {key: value for key, value in values.items() if value is not None and not _is_non_finite(value)}
        record = {"event": event, "step": step, **defined}
        hint = f"To resume the run: seqforge run --resume {self._path.parent}"
        with reported_failures(f"writing {self._path}", hint), self._path.open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")

    def truncate(self, step: int) -> None:
        """Delete the lines of later steps, since a run that is resumed at this step writes them again."""
        if not self._path.exists():
            return
        records = [record for record in read_metrics(self._path) if record["step"] <= step]
        with reported_failures(f"writing {self._path}"):
            write_atomically(self._path, "".join(json.dumps(record) + "\n" for record in records).encode())


def _is_non_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a metrics log. Nothing is read after a damaged line, which a crash may leave.

    Returns:
        One record per line, or an empty list if there is no file.
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
        not known at a step is None.
    """
    rows: dict[int, dict[str, Any]] = {}
    columns = dict.fromkeys(("step", "seconds", "training_loss", "validation_loss"))
    for record in records:
        if record["event"] not in ("step", "evaluation"):
            continue
        names = _TRAINING if record["event"] == "step" else _VALIDATION
        values = {column: record[name] for name, column in names.items() if name in record}
        # Only the values of metrics, `metric.value`, have a dot in their name.
        values |= {name: value for name, value in record.items() if "." in name}
        rows.setdefault(record["step"], {"step": record["step"]}).update(values)
        columns |= dict.fromkeys(values)
    return [columns | rows[step] for step in sorted(rows)]
