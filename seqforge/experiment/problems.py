"""Problems of an experiment: plugins that are missing, and the message. A hint names where an unknown key belongs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from seqforge.errors import ExperimentError
from seqforge.experiment.model import Model
from seqforge.experiment.settings import LIST_HINTS, Section
from seqforge.experiment.tables import as_table
from seqforge.faults import FILE_SUFFIX, SESSION
from seqforge.kinds.table import KINDS
from seqforge.registry.component import Component
from seqforge.registry.discovery import Plugin
from seqforge.registry.problems import Problem, format_value, from_validation
from seqforge.registry.registry import NEEDS_FILE, Registry


def problems_of(
    error: ValidationError, tables: Mapping[str, Any], experiment: type[BaseModel], context: Mapping[str, Any]
) -> list[Problem]:
    """Return every problem in the errors of pydantic, with its key and a hint."""
    fields = {field.alias or name: field.annotation for name, field in experiment.model_fields.items()}
    keys = {
        name: [*kind.model_fields]
        for name, kind in fields.items()
        if isinstance(kind, type) and issubclass(kind, Section)
    }
    names = ", ".join(sorted(context["registry"].names("corpus")))
    corpus = f'Add [corpus] with use = "NAME", --corpus NAME, or corpus=use("NAME") in Python. Known: {names}.'
    return [
        _with_place(problem, keys, context["owners"])
        for problem in from_validation(error, tables, "", [*fields], "an experiment", LIST_HINTS | {"corpus": corpus})
    ]


def explain(problems: Sequence[Problem], origin: Path | str | None) -> ExperimentError:
    """Return an error that lists all problems, and their place; None stands for tables that were written in Python."""
    place = "the experiment" if origin is None else str(origin)
    lines = list(map(str, problems))
    if len(lines) == 1:
        return ExperimentError(f"{place}: {lines[0]}")
    return ExperimentError("\n".join([f"{place}: {len(lines)} problems", *(f"  {line}" for line in lines)]))


def _with_place(
    problem: Problem, keys: Mapping[str, Collection[str]], options: Mapping[str, Collection[str]]
) -> Problem:
    """Return a problem of an unknown key with a hint that names the tables that have it, or else one like it.

    The tables are those of settings, with their keys, and those of the components that the experiment uses, by kind.
    """
    tables = {f"[{table}]": known for table, known in keys.items()}
    tables |= {kind.table: options.get(kind.name, ()) for kind in KINDS.values()}
    name = problem.unknown
    if name and not problem.similar:
        name = next(iter(get_close_matches(name, chain.from_iterable(tables.values()), 1, cutoff=0.8)), name)
    places = " or ".join(table for table, known in tables.items() if name in known)
    hint = f"Move it to {places}." if name == problem.unknown else f"Did you mean {name!r} of {places}?"
    return replace(problem, hint=hint) if places else problem


def missing_plugins(tables: Mapping[str, Any], registry: Registry) -> list[Problem]:
    """Return a problem for each plugin that a resolved experiment names and uses, and that is not installed."""
    versions, distributions = as_table(tables.get("plugins")), as_table(tables.get("distributions"))
    used = {name.partition("/")[0] for name in _names_in(tables) if "/" in name}
    missing = sorted((used & versions.keys()) - {plugin.name for plugin in registry.plugins})
    return [_missing(name, versions[name], distributions.get(name, "unknown")) for name in missing]


def _missing(name: str, version: object, distribution: object) -> Problem:
    key = f"plugins.{name}"
    if name.endswith(FILE_SUFFIX):
        message = f"the file {name} is needed, from which the components of the run were loaded"
        return Problem(key, message, f"{NEEDS_FILE} The run used its version {version}.")
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
    """Return the plugins that register the components of an experiment. A class of a session belongs to none."""
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
