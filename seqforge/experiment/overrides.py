"""The command line's short options: another component in the place of the one that a file names."""

from collections.abc import Sequence
from typing import Any, cast

from seqforge.experiment.tables import Table
from seqforge.registry import Registry, options_of


def replace_components(
    table: Table,
    registry: Registry,
    *,
    corpus: str | None = None,
    cell: str | None = None,
    loss: str | None = None,
    optimizer: str | None = None,
    sampler: Sequence[str] = (),
) -> Table:
    """Put other components into an experiment; of the options beside them, those stay which the new one has too.

    Args:
        table: The experiment, unchecked; left as it is.
        registry: The installed components.
        corpus: The corpus to use.
        cell: The cell to use in every layer.
        loss: The loss to use.
        optimizer: The optimizer to use.
        sampler: The chain of samplers to use.

    Returns:
        A new table.

    Raises:
        PluginError: Where a name is not a component's.
    """
    chosen = dict(table)
    for kind, name in (("corpus", corpus), ("loss", loss), ("optimizer", optimizer)):
        if name is not None:
            chosen[kind] = _swapped(chosen.get(kind), registry, kind, name)
    if cell is not None:
        model = chosen.get("model")
        model = dict(cast("Table", model)) if isinstance(model, dict) else {}
        layers = model.get("cells")
        tables = cast("list[Any]", layers) if isinstance(layers, list) and layers else [None]
        model["cells"] = [_swapped(layer, registry, "cell", cell, kept=("repeat", "backend")) for layer in tables]
        chosen["model"] = model
    if sampler:
        chosen["sampler"] = [_swapped(None, registry, "sampler", name) for name in sampler]
    return chosen


def _swapped(table: Any, registry: Registry, kind: str, name: str, kept: Sequence[str] = ()) -> Table:
    registration = registry.find(kind, name)
    options = options_of(registry.load(registration), kind, registration.qualified_name)
    known = {*options.names, *kept}
    before = cast("Table", table) if isinstance(table, dict) else {}
    return {"use": name} | {key: value for key, value in before.items() if key in known}
