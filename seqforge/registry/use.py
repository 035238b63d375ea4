"""Components that are chosen in Python, by name or by class, and their conversion to tables of an experiment file."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, cast

from seqforge.errors import ExperimentError, PluginError
from seqforge.faults import SESSION
from seqforge.registry.problems import format_value, join_key
from seqforge.registry.registry import Registry
from seqforge.storage.paths import is_utf8


@dataclass(frozen=True, slots=True)
class Use:
    """A component with options, chosen in Python.

    Attributes:
        component: Name of a registered component, or a class that implements an interface.
        options: Options of the component, by name.
    """

    component: str | type[Any]
    options: Mapping[str, Any]


Choice = Use | str | type[Any]
"""A component in an argument of `Experiment`. A name or a class alone has its default options."""


def use(component: str | type[Any], /, **options: Any) -> Use:
    """Choose a component for an experiment, by its name or by its class.

    This function checks only the type of its argument. `Experiment` checks the name and the options, by the same rules
    as in a file. An option that is itself a component is also given as `use(…)`.

    Raises:
        PluginError: If the component is neither a name nor a class.
    """
    if not isinstance(component, str | type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PluginError(
            f"use() takes the name or the class of a component, not {format_value(component)}",
            hint='For example: use("lstm", hidden_size=256), or use(MyCell, hidden_size=256).',
        )
    return Use(component, options)


def plain_tables(value: Any, registry: Registry) -> tuple[Any, Registry]:
    """Convert Python values to values of an experiment file.

    Each `use(…)` and each class becomes a table, a path becomes text, and a NumPy number becomes a plain number.

    Returns:
        The values, and a registry that also has the classes among them that no plugin registers.

    Raises:
        ExperimentError: If an experiment file cannot hold a value of this type, or text that is not valid Unicode.
        PluginError: If a class implements no interface, or if two have the same kind and name.
    """
    classes: list[type[Any]] = []

    def plain(value: Any, key: str) -> Any:
        match value:
            case Use(component=component, options=options):
                return {"use": name_of(component), **plain(options, key)}
            case type():
                return {"use": name_of(value)}
            case Mapping():
                items = cast("Mapping[Any, Any]", value).items()
                return {_text(str(name), key): plain(inner, join_key(key, str(name))) for name, inner in items}
            case list() | tuple():
                values = cast("list[Any]", value)
                return [plain(inner, join_key(key, index)) for index, inner in enumerate(values)]
            case str() | Path():
                return _text(str(value), key)
            case None | bool() | datetime.date() | datetime.time():
                return value
            case Integral():
                return int(value)
            case Real():
                return float(value)
            case _:
                raise ExperimentError(
                    f"the experiment: {key}: an experiment cannot hold the value {format_value(value)}",
                    hint="Pass text, a number, True or False, a list, a dict, a path, or use(…).",
                )

    def name_of(component: str | type[Any]) -> str:
        if isinstance(component, str):
            return component
        if registration := registry.registration_of(component):
            return registration.qualified_name
        classes.append(component)
        return f"{SESSION}/{component.__name__}"

    table = plain(value, "")
    return table, registry.with_components(classes) if classes else registry


def _text(text: str, key: str) -> str:
    if is_utf8(text):
        return text
    raise ExperimentError(
        f"the experiment: {key}: {text!r} is not valid UTF-8",
        hint="An experiment is stored in UTF-8. If this is the name of a file, rename the file.",
    )
