"""What may change when a run is resumed, and what may not."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from seqforge.errors import ExperimentError
from seqforge.registry import join

FIXED = ("experiment.seed", "data", "model", "vocabulary", "training.batch_size", "training.sequence_length",
         "training.accumulation", "training.batch_tokens", "optimizer.use", "schedule.use")  # fmt: skip
"""What the weights, the order of the data and the carried state depend on."""


def check_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse settings with which a resumed run would be another run.

    Args:
        before: The experiment's tables as the run has them.
        now: The same with the new settings.

    Raises:
        ExperimentError: Naming every such key.
    """
    # A run of an earlier version may not have the key; it then was at its default.
    known = [key for key in FIXED if _at(before, key) is not None]
    changes = [change for key in known for change in _changes(_at(before, key), _at(now, key), key)]
    if changes:
        raise ExperimentError(
            "a resumed run keeps what its state depends on: " + "; ".join(changes),
            hint="Lengths, intervals, learning rates and samplers may change. For anything else, start a new run.",
        )


def _at(table: Any, key: str) -> Any:
    for part in key.split("."):
        table = cast("Mapping[str, Any]", table).get(part) if isinstance(table, Mapping) else None
    return table


def _changes(before: Any, now: Any, key: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        tables = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", now)
        # Only keys of both: a plugin's new version may have brought an option, at its default.
        for name in tables[0].keys() & tables[1].keys():
            yield from _changes(tables[0][name], tables[1][name], join(key, name))
    elif isinstance(before, list) and isinstance(now, list):
        lists = cast("list[Any]", before), cast("list[Any]", now)
        if len(lists[0]) != len(lists[1]):
            yield f"{key} had {len(lists[0])} entries, not {len(lists[1])}"
            return
        for index, (old, new) in enumerate(zip(*lists, strict=True)):
            yield from _changes(old, new, join(key, index))
    elif before != now and not _is_cell_name(key):
        yield f"{key} was {before!r}, not {now!r}"


def _is_cell_name(key: str) -> bool:
    """A cell may go on as another implementation of it: the checkpoint's weights and states tell whether they fit."""
    return key.startswith("model.cells.") and key.endswith(".use")
