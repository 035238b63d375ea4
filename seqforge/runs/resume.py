"""The rules of resuming: which settings of a run may change, and which files are removed before."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqforge.errors import ExperimentError
from seqforge.kinds.table import KINDS, OBSERVER_KEYS
from seqforge.registry.problems import format_value
from seqforge.runs.comparison import find_differences
from seqforge.storage.files import reported_failures
from seqforge.storage.folders import delete

FIXED = ("experiment.seed.", "data.", "model.", "vocabulary.", "training.batch_size.", "training.sequence_length.",
         "training.accumulation.", "training.batch_tokens.",
         *(f"{kind.key}.use." for kind in KINDS.values() if kind.has_state))  # fmt: skip
"""Keys, each with a dot at its end, on which the parameters, the order of the data or the carried state depend."""


def check_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare the experiment of a run with one that has new settings, both with every default.

    Raises:
        ExperimentError: If settings on which the state of the run depends were changed, added or removed. The message
            names all of them.
    """
    changes = [
        f"{key} was {_format(old)} and is now {_format(new)}"
        for key, (old, new) in find_differences([before, now]).items()
        if f"{key}.".startswith(FIXED)
    ]
    if changes:
        advice = (
            "You may change the length of the run, intervals, learning rates, samplers, metrics, "
            f"{', '.join(OBSERVER_KEYS)} and backends. For other changes, start a new run. With --initial and the same "
            "cells, it starts from the weights of this one."
        )
        raise ExperimentError(
            "a resumed run must keep the settings on which its state depends: " + "; ".join(changes),
            hint=advice,
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


def _format(value: Any) -> str:
    # TOML has no null: an option that is None is not in the table.
    return "not set" if value is None else format_value(value)


def sets_backend(overrides: Sequence[str]) -> bool:
    """Return whether an assignment sets `training.backend`, for which a resumed run chooses its backends again."""
    return any(assignment.partition("=")[0].strip() == "training.backend" for assignment in overrides)
