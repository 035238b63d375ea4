"""The check of an experiment. It covers every section and component, so that all problems are reported at once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pydantic_core
from pydantic import ValidationError

import seqforge
from seqforge.errors import PluginError, SeqforgeError, did_you_mean, nearest
from seqforge.experiment.compatibility import (
    Selection,
    derive_topology,
    example_spec_of,
    incompatibilities,
    is_labelled,
)
from seqforge.experiment.misplaced_keys import IN_MODEL, keys_of, with_place
from seqforge.experiment.settings import AUTO_BACKEND, SECTIONS, Section, Training
from seqforge.faults import FILE_SUFFIX, SESSION
from seqforge.kinds import ExampleSpec
from seqforge.registry import (
    NEEDS_FILE,
    SHOW_COMPONENTS,
    Component,
    Problem,
    Registry,
    format_value,
    from_validation,
    join_key,
    resolve,
)

SectionT = TypeVar("SectionT", bound=Section)

DEFAULT_COMPONENTS = {"vocabulary": "characters", "loss": "cross-entropy", "optimizer": "adam", "schedule": "constant"}
"""Component of each optional table that is absent, or has options without `use`."""

DEFAULT_CELL, DEFAULT_INITIALIZER, DEFAULT_SAMPLER = "lstm", "default", "temperature"
MAXIMUM_REPEAT = 1000

SHOWN_EXAMPLES = 5
"""Default of `sampling.count` for labelled examples."""

_TABLES = [*SECTIONS, "corpus", *DEFAULT_COMPONENTS, "sampler", "metrics", "trackers", "plugins", "distributions"]


class Checker:
    """A converter of tables to the parts of an `Experiment`. It collects all problems that it finds.

    Args:
        registry: Registered components.
        folder: Folder to which relative paths are relative.

    Attributes:
        problems: Problems found so far.
    """

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.problems: list[Problem] = []
        self._registry = registry
        self._folder = folder

    def check(self, table: Mapping[str, Any], default_name: str | None) -> dict[str, Any]:
        """Check all tables.

        Args:
            table: Tables of the experiment, by name.
            default_name: Name of the run if `[experiment]` has none; by default, that of the corpus.

        Returns:
            The attributes of `Experiment`, or an empty dictionary if there are problems.
        """
        for name in table:
            if name not in _TABLES:
                hint = did_you_mean(name, _TABLES, "`seqforge schema` shows all.")
                self.problems.append(Problem(name, "an experiment has no such table", hint, unknown=name))
        missing = self._missing_plugins(table)
        if missing:
            self.problems += missing  # Every component of such a plugin would be another problem.
            return {}
        model: dict[str, Any] = {"cells": [{"use": DEFAULT_CELL}], "initializer": {"use": DEFAULT_INITIALIZER}}
        model |= self._mapping(table, "model")
        identity = self._mapping(table, "experiment")
        identity.setdefault("name", _run_name(default_name or _corpus_name(table)))
        corpus = self._corpus(table)
        data, sampling = self._mapping(table, "data"), self._mapping(table, "sampling")
        if corpus is not None and is_labelled(corpus):
            data.setdefault("split", "document")
            sampling.setdefault("count", SHOWN_EXAMPLES)
        model_section = {key: model[key] for key in model if key not in IN_MODEL}
        plain = {"experiment": identity, "data": data, "model": model_section, "sampling": sampling}
        sections = {
            name: self._section(kind, name, plain[name] if name in plain else self._mapping(table, name))
            for name, kind in SECTIONS.items()
        }
        components: dict[str, Component | None] = {"corpus": corpus}
        for kind, default in DEFAULT_COMPONENTS.items():
            given = table.get(kind, {})
            components[kind] = self._component(
                kind, {"use": default, **given} if isinstance(given, Mapping) else given, kind
            )
        for kind in ("initializer", "attention"):
            components[kind] = self._component(kind, model[kind], f"model.{kind}") if kind in model else None
        cells = self._cells(model["cells"])
        samplers = self._list("sampler", table.get("sampler", [{"use": DEFAULT_SAMPLER}]), "sampler")
        metrics = self._list("metric", table.get("metrics", []), "metrics")
        trackers = self._list("tracker", table.get("trackers", []), "trackers")
        if isinstance(training := sections["training"], Training):
            self._backends(training.backend, "training.backend")
        spec = self._example_spec(sections, components, metrics)
        if self.problems:
            self.problems = [with_place(problem, components, cells, samplers) for problem in self.problems]
            return {}
        versions = self._versions(
            [*(part for part in components.values() if part), *cells, *samplers, *metrics, *trackers]
        )
        return {
            "identity": sections["experiment"],
            **{name: section for name, section in sections.items() if name != "experiment"},
            **components,
            "cells": tuple(cells),
            "samplers": tuple(samplers),
            "metrics": tuple(metrics),
            "trackers": tuple(trackers),
            "plugins": versions,
            "example_spec": spec,
            "table": self._resolve(sections, components, cells, samplers, metrics, trackers, versions),
        }

    def _missing_plugins(self, table: Mapping[str, Any]) -> list[Problem]:
        """Return a problem for each plugin that a resolved experiment names and uses, and that is not installed."""
        versions, distributions = self._mapping(table, "plugins"), self._mapping(table, "distributions")
        used = {name.partition("/")[0] for name in _component_names(table)}
        installed = {plugin.name for plugin in self._registry.plugins}
        return [
            _missing_plugin(name, versions[name], distributions.get(name, "unknown"))
            for name in sorted((used & versions.keys()) - installed)
        ]

    def _mapping(self, table: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = table.get(key, {})
        if isinstance(value, Mapping):
            return dict(cast("Mapping[str, Any]", value))
        message = f"must be a table, not {format_value(value)}"
        hint, python_hint = f"Write [{key}] above its keys.", 'Write a dict, such as {"KEY": VALUE}.'
        self.problems.append(Problem(key, message, hint, python_hint))
        return {}

    def _section(self, kind: type[SectionT], key: str, values: Mapping[str, Any]) -> SectionT | None:
        try:
            return kind.model_validate_json(pydantic_core.to_json(values))
        except ValidationError as error:
            self.problems += from_validation(error, values, key, keys_of(key), f"[{key}]")
            return None

    def _corpus(self, table: Mapping[str, Any]) -> Component | None:
        if "corpus" in table:
            return self._component("corpus", table["corpus"], "corpus")
        names = did_you_mean("", self._registry.names("corpus"), SHOW_COMPONENTS)
        hint, python_hint = 'Add [corpus] with use = "NAME", or --corpus NAME.', 'Add "corpus": use("NAME").'
        message = "an experiment needs a corpus"
        self.problems.append(Problem("corpus", message, f"{hint} {names}", f"{python_hint} {names}"))
        return None

    def _component(self, kind: str, table: Any, key: str) -> Component | None:
        resolved = resolve(self._registry, kind, table, key, self._folder)
        if isinstance(resolved, list):
            self.problems += resolved
            return None
        return resolved

    def _list(self, kind: str, tables: Any, key: str) -> list[Component]:
        if not isinstance(tables, list):
            hint, python_hint = f"Write [[{key}]] above each table.", 'Write a list, such as [use("NAME")].'
            self.problems.append(Problem(key, "must be a list of tables", hint, python_hint))
            return []
        components = (
            self._component(kind, table, join_key(key, index)) for index, table in enumerate(cast("list[Any]", tables))
        )
        return [component for component in components if component is not None]

    def _cells(self, tables: Any) -> list[Component]:
        if not isinstance(tables, list) or not tables:
            message, hint = "must be a list of at least one cell", "Write [[model.cells]] above each cell."
            python_hint = 'Write a list, such as [use("lstm", hidden_size=256)].'
            self.problems.append(Problem("model.cells", message, hint, python_hint))
            return []
        layers: list[Component] = []
        for index, table in enumerate(cast("list[Any]", tables)):
            key = join_key("model.cells", index)
            options: Any = table
            repeat: Any = 1
            backends: tuple[str, ...] = ()
            if isinstance(table, Mapping):
                options = self._expand_preset(dict(cast("Mapping[str, Any]", table)))
                repeat = options.pop("repeat", 1)
                backends = self._backends(options.pop("backend", ()), join_key(key, "backend"))
            if not isinstance(repeat, int) or isinstance(repeat, bool) or not 1 <= repeat <= MAXIMUM_REPEAT:
                message = f"must be an integer from 1 to {MAXIMUM_REPEAT}, not {format_value(repeat)}"
                self.problems.append(Problem(join_key(key, "repeat"), message))
                repeat = 1
            cell = self._component("cell", options, key)
            if cell is not None:
                pin = {"backend": backends[0] if len(backends) == 1 else list(backends)} if backends else {}
                layers += [replace(cell, table={**cell.table, **pin})] * repeat
        return layers

    def _expand_preset(self, options: dict[str, Any]) -> dict[str, Any]:
        """Replace the name of a preset by its cell and its backends."""
        name = options.get("use")
        for preset in self._registry.registrations("cell"):
            if preset.backends and preset.qualified_name == name:
                return {"backend": list(preset.backends), **options, "use": preset.target}
        return options

    def _backends(self, value: Any, key: str) -> tuple[str, ...]:
        """Check the name of a backend, or a list of names in order of preference, and return them without `auto`."""
        names: list[Any] = [*cast("list[Any]", value)] if isinstance(value, list | tuple) else [value]
        if not all(isinstance(name, str) for name in names):
            message = f"must be the name of a backend or a list of names, not {format_value(value)}"
            self.problems.append(Problem(key, message))
            return ()
        pinned = tuple(name for name in names if name != AUTO_BACKEND)
        for name in pinned:
            try:
                self._registry.find("backend", name)
            except PluginError as error:
                hint = did_you_mean(name, [AUTO_BACKEND]) if nearest(name, [AUTO_BACKEND]) else error.hint
                self.problems.append(Problem(key, error.message, hint or ""))
        return pinned

    def _example_spec(
        self, sections: dict[str, Section | None], components: Mapping[str, Component | None], metrics: list[Component]
    ) -> ExampleSpec | None:
        """Check that the parts are compatible, set the topology, and return the example spec of the corpus."""
        corpus, loss = components["corpus"], components["loss"]
        valid = {name: section for name, section in sections.items() if section is not None}
        if len(valid) < len(sections) or corpus is None or loss is None:
            return None  # The user has to solve these problems first.
        try:
            spec = example_spec_of(corpus)
        except SeqforgeError as error:
            self.problems.append(Problem("corpus", error.message, error.hint or ""))
            return None
        values = {name: section.model_dump() for name, section in valid.items()}
        selection = Selection(values, corpus, spec, loss, components["attention"], metrics)
        self.problems += incompatibilities(selection)
        topology = derive_topology(spec, loss.component).name
        sections["model"] = valid["model"].model_copy(update={"topology": topology})
        return spec

    def _versions(self, components: list[Component]) -> dict[str, str]:
        used = {plugin for component in components for plugin in component.plugins}
        used.discard(SESSION)  # A class that is defined in a session has no version.
        plugins = {plugin.name: plugin.version for plugin in self._registry.plugins if plugin.name in used}
        return {"seqforge": seqforge.__version__, **plugins}

    def _resolve(
        self,
        sections: Mapping[str, Section | None],
        components: Mapping[str, Component | None],
        cells: list[Component],
        samplers: list[Component],
        metrics: list[Component],
        trackers: list[Component],
        versions: Mapping[str, str],
    ) -> dict[str, Any]:
        """Return the tables of the experiment with every default."""
        table: dict[str, Any] = {
            name: section.model_dump(mode="json", exclude_none=True) for name, section in sections.items() if section
        }
        tables = {kind: dict(component.table) for kind, component in components.items() if component}
        table["model"] |= {name: tables.pop(name) for name in ("attention", "initializer") if name in tables}
        table["model"]["cells"] = [dict(cell.table) for cell in cells]
        table |= tables
        table["sampler"] = [dict(sampler.table) for sampler in samplers]
        table["metrics"] = [dict(metric.table) for metric in metrics]
        table["trackers"] = [dict(tracker.table) for tracker in trackers]
        table["plugins"] = dict(versions)
        distributions = {plugin.name: plugin.distribution for plugin in self._registry.plugins if plugin.distribution}
        table["distributions"] = {name: distributions[name] for name in versions if name in distributions}
        return table


def _missing_plugin(name: str, version: object, distribution: object) -> Problem:
    key = join_key("plugins", name)
    if name.endswith(FILE_SUFFIX):
        message = f"the file {name} is needed, from which the components of the run were loaded"
        hint, python_hint = (f"{hint} The run used its version {version}." for hint in NEEDS_FILE)
        return Problem(key, message, hint, python_hint)
    return Problem(
        key,
        f"the plugin {name!r} is not installed",
        f"The run used version {format_value(version)} of it, in the distribution "
        f"{format_value(distribution)}. Install that distribution.",
    )


def _component_names(value: Any) -> Iterator[str]:
    """Yield the qualified names of components in a table and the tables inside it."""
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, Any]", value).items():
            if key == "use" and isinstance(inner, str) and "/" in inner:
                yield inner
            yield from _component_names(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _component_names(inner)


def _corpus_name(table: Mapping[str, Any]) -> str:
    corpus = table.get("corpus")
    name = cast("Mapping[str, Any]", corpus).get("use") if isinstance(corpus, Mapping) else None
    return name.removeprefix(f"{SESSION}/") if isinstance(name, str) else ""


def _run_name(text: str) -> str:
    """Convert the name of a file or a corpus to a name for a run: "my notes" becomes "my-notes"."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:100] or "experiment"
