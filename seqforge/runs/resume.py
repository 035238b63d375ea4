"""The rules of resuming: which settings of a run may change."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from seqforge.errors import ExperimentError
from seqforge.registry import join

FIXED = ("experiment.seed", "data", "model", "vocabulary", "training.batch_size", "training.sequence_length",
         "training.accumulation", "training.batch_tokens", "optimizer.use", "schedule.use")  # fmt: skip
"""Keys on which the weights, the order of the data or the carried state depend."""


def check_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise if a setting on which the state of a run depends was changed, added or removed.

    Both tables are resolved: they hold every option, with its default where the user set none.

    Raises:
        ExperimentError: If there is such a setting; the message names all of them.
    """
    changes = [change for key in FIXED for change in _changes(_at(before, key), _at(now, key), key)]
    if changes:
        raise ExperimentError(
            "a resumed run must keep the settings on which its state depends: " + "; ".join(changes),
            hint="Lengths, intervals, learning rates and samplers may change. For anything else, start a new run.",
        )


def _at(table: Any, key: str) -> Any:
    for part in key.split("."):
        table = cast("Mapping[str, Any]", table).get(part) if isinstance(table, Mapping) else None
    return table


def _changes(before: Any, now: Any, key: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        old, new = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", now)
        names = old.keys() | new.keys()
        if key.startswith("model.cells.") and old.get("use") != new.get("use"):
            # Another implementation of the same cell may have other options: the checkpoint's tensors show if it fits.
            names = (old.keys() & new.keys()) - {"use"}
        if key.startswith("model.cells."):
            names = names - {"backend"}  # checkpoints do not depend on it
        for name in sorted(names):
            yield from _changes(old.get(name), new.get(name), join(key, name))
    elif isinstance(before, list) and isinstance(now, list):
        lists = cast("list[Any]", before), cast("list[Any]", now)
        if len(lists[0]) != len(lists[1]):
            yield f"{key} had {len(lists[0])} entries, and now has {len(lists[1])}"
            return
        for index, (old, new) in enumerate(zip(*lists, strict=True)):
            yield from _changes(old, new, join(key, index))
    elif before != now:
        yield f"{key} was {_shown(before)} and is now {_shown(now)}"


def _shown(value: Any) -> str:
    # TOML has no null: an option that is None is not in the table.
    return "not set" if value is None else repr(value)
