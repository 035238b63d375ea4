"""The rules of resuming: which settings of a run may change, and which files are removed before."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from seqforge.errors import ExperimentError
from seqforge.registry import format_value, join_key
from seqforge.storage.files import reported_failures
from seqforge.storage.folders import delete

FIXED = ("experiment.seed", "data", "model", "vocabulary", "training.batch_size", "training.sequence_length",
         "training.accumulation", "training.batch_tokens", "optimizer.use", "schedule.use")  # fmt: skip
"""Keys on which the parameters, the order of the data or the carried state depend."""

_BACKEND = re.compile(r"model\.cells\.\d+\.backend(\..*)?")


def check_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise an error if a setting on which the state of a run depends was changed, added or removed.

    Args:
        before: Experiment of the run, with every default.
        now: Experiment with the new settings, with every default.

    Raises:
        ExperimentError: If there is such a setting; the message names all of them.
    """
    changes = [
        _describe_change(*difference)
        for key in FIXED
        for difference in find_differences(_value_at(before, key), _value_at(now, key), key)
        if not _BACKEND.fullmatch(difference[0])  # Checkpoints do not depend on it.
    ]
    if changes:
        advice = (
            "You may change the length of the run, intervals, learning rates, samplers and backends. For other "
            "changes, start a new run. With {} and the same cells, it starts from the weights of this one."
        )
        raise ExperimentError(
            "a resumed run must keep the settings on which its state depends: " + "; ".join(changes),
            hint=advice.format("--initial"),
            python_hint=advice.format("initial="),
        )


def remove_temporary_files(run: Path) -> None:
    """Remove the temporary files and folders that killed processes left in a run directory.

    The caller holds the lock of the run, so that no process is writing them.

    Raises:
        RunError: If one cannot be removed.
    """
    with reported_failures(f"removing temporary files in {run}"):
        for parent, folders, files in os.walk(run):  # It does not follow links.
            for name in filter(_is_temporary, [*folders, *files]):
                delete(Path(parent, name))
            folders[:] = [name for name in folders if not _is_temporary(name)]


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def _value_at(table: Any, key: str) -> Any:
    for part in key.split("."):
        table = cast("Mapping[str, Any]", table).get(part) if isinstance(table, Mapping) else None
    return table


def find_differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the keys at which two values of a table differ, with both values; None stands for a missing key.

    Lists of different lengths differ as a whole.
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        old, new = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", now)
        for name in sorted(old.keys() | new.keys()):
            yield from find_differences(old.get(name), new.get(name), join_key(key, name))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):  # pyright: ignore[reportUnknownArgumentType]
        for index, (old, new) in enumerate(zip(cast("list[Any]", before), cast("list[Any]", now), strict=True)):
            yield from find_differences(old, new, join_key(key, index))
    elif before != now:
        yield key, before, now


def _describe_change(key: str, before: Any, now: Any) -> str:
    if isinstance(before, list) and isinstance(now, list):
        return f"{key} had {len(cast('list[Any]', before))} entries and now has {len(cast('list[Any]', now))}"
    return f"{key} was {_format(before)} and is now {_format(now)}"


def _format(value: Any) -> str:
    # TOML has no null: an option that is None is not in the table.
    return "not set" if value is None else format_value(value)


def sets_backend(overrides: Sequence[str]) -> bool:
    """Return whether an assignment sets `training.backend`, for which a resumed run chooses its backends again."""
    return any(assignment.partition("=")[0].strip() == "training.backend" for assignment in overrides)


def pinned_backends(table: Mapping[str, Any]) -> list[Any]:
    """Return the pinned backend of each layer of an experiment, or None."""
    return [entry.get("backend") for entry in table["model"]["cells"]]
