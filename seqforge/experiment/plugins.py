"""Plugins of an experiment: those that a run used and that are missing, and those that it uses now."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from seqforge.experiment.model import Model
from seqforge.faults import FILE_SUFFIX, SESSION
from seqforge.registry import NEEDS_FILE, Component, Plugin, Problem, Registry, format_value


def missing_plugins(tables: Mapping[str, Any], registry: Registry) -> list[Problem]:
    """Return a problem for each plugin that a resolved experiment names and uses, and that is not installed."""
    versions, distributions = tables.get("plugins"), tables.get("distributions")
    if not isinstance(versions, dict):
        return []
    recorded = cast("dict[str, Any]", versions)
    distribution = cast("dict[str, Any]", distributions) if isinstance(distributions, dict) else {}
    used = {name.partition("/")[0] for name in _names_in(tables) if "/" in name}
    missing = sorted((used & recorded.keys()) - {plugin.name for plugin in registry.plugins})
    return [_missing(name, recorded[name], distribution.get(name, "unknown")) for name in missing]


def _missing(name: str, version: object, distribution: object) -> Problem:
    key = f"plugins.{name}"
    if name.endswith(FILE_SUFFIX):
        message = f"the file {name} is needed, from which the components of the run were loaded"
        return Problem(key, message, *(f"{hint} The run used its version {version}." for hint in NEEDS_FILE))
    hint = f"The run used version {format_value(version)} of it, in the distribution {format_value(distribution)}."
    return Problem(key, f"the plugin {name!r} is not installed", f"{hint} Install that distribution.")


def _names_in(value: Any) -> Iterator[str]:
    """Yield the names of components in tables."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        if isinstance(name := table.get("use"), str):
            yield name
        value = list(table.values())
    if isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _names_in(inner)


def used_plugins(fields: Iterable[Any], registry: Registry) -> list[Plugin]:
    """Return the plugins that register the components of an experiment. A class of a session belongs to none.

    Args:
        fields: Values of the fields of the experiment.
        registry: Registry of the components.
    """
    used = {name for component in _components_in(fields) for name in component.plugins}
    return [plugin for plugin in registry.plugins if plugin.name in used and plugin.name != SESSION]


def _components_in(values: Iterable[Any]) -> Iterator[Component]:
    for value in values:
        if isinstance(value, Component):
            yield value
        elif isinstance(value, list):
            yield from _components_in(cast("list[Any]", value))
        elif isinstance(value, Model):
            yield from _components_in(dict(value).values())
