"""The rules of resuming: which settings of a run may change, and which files are removed before."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from seqforge.errors import ExperimentError
from seqforge.registry import format_value, join_key
from seqforge.storage.files import open_folder, reported_failures

FIXED = ("experiment.seed", "data", "model", "vocabulary", "training.batch_size", "training.sequence_length",
         "training.accumulation", "training.batch_tokens", "optimizer.use", "schedule.use")  # fmt: skip
"""Keys on which the parameters, the order of the data or the carried state depend."""


def check_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise an error if a setting on which the state of a run depends was changed, added or removed.

    Args:
        before: Experiment of the run, with every default.
        now: Experiment with the new settings, with every default.

    Raises:
        ExperimentError: If there is such a setting; the message names all of them.
    """
    changes = [change for key in FIXED for change in _changes(_value_at(before, key), _value_at(now, key), key)]
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
    with reported_failures(f"removing temporary files in {run}"), open_folder(run) as root:
        for _, folders, files, folder in os.fwalk(dir_fd=root):  # It does not follow links.
            for name in filter(_is_temporary, files):
                os.unlink(name, dir_fd=folder)
            for name in list(filter(_is_temporary, folders)):
                shutil.rmtree(name, dir_fd=folder)
                folders.remove(name)


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def _value_at(table: Any, key: str) -> Any:
    for part in key.split("."):
        table = cast("Mapping[str, Any]", table).get(part) if isinstance(table, Mapping) else None
    return table


def _changes(before: Any, now: Any, key: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        old, new = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", now)
        names = old.keys() | new.keys()
        if key.startswith("model.cells."):
            names = names - {"backend"}  # checkpoints do not depend on it
        for name in sorted(names):
            yield from _changes(old.get(name), new.get(name), join_key(key, name))
    elif isinstance(before, list) and isinstance(now, list):
        old_items, new_items = cast("list[Any]", before), cast("list[Any]", now)
        if len(old_items) != len(new_items):
            yield f"{key} had {len(old_items)} entries and now has {len(new_items)}"
            return
        for index, (old, new) in enumerate(zip(old_items, new_items, strict=True)):
            yield from _changes(old, new, join_key(key, index))
    elif before != now:
        yield f"{key} was {_format(before)} and is now {_format(now)}"


def _format(value: Any) -> str:
    # TOML has no null: an option that is None is not in the table.
    return "not set" if value is None else format_value(value)


def sets_backend(overrides: Sequence[str]) -> bool:
    """Return whether an assignment sets `training.backend`, for which a resumed run chooses its backends again."""
    return any(assignment.partition("=")[0].strip() == "training.backend" for assignment in overrides)
