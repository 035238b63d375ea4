"""The registry: installed plugins, and components by name."""

import importlib
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pluggy

from seqforge.errors import PluginError, did_you_mean, nearest
from seqforge.faults import FILE_SUFFIX, SESSION, author_hint, name_component
from seqforge.kinds.table import FIRST_PARTY, KINDS
from seqforge.registry.classes import import_target, kind_of, load_class
from seqforge.registry.discovery import Plugin, PluginState, discover
from seqforge.registry.hooks import CORE, PretrainedModel, Registration, new_plugin_manager

EAGER_BACKEND = Registration("backend", CORE, "eager", "seqforge.model.install_backend:EagerBackend")
"""The one component of the core: the backend that runs any cell in plain torch."""

MAXIMUM_LENGTH = 100
"""Characters of an unknown name that a message shows."""

NEEDS_FILE = "Add --plugin and its path, or pass a registry of seqforge.registry.with_plugin_file in Python."
"""Hint about a component of a Python file that is not loaded."""

SHOW_COMPONENTS = "`seqforge plugins list` shows the plugins, and `seqforge plugins show PLUGIN` their components."


class Registry:
    """Plugins and their components. A registry is immutable.

    The qualified name of a component is `plugin/name`. If several plugins offer a short name, it belongs to the
    first-party one, so that a new plugin never changes an experiment that does not name it. Between others, there is no
    short name. The order in which plugins were installed does not matter.

    Args:
        plugins: Plugins, as `discover` returns them.
        preferred: Names of the plugins that an experiment records. A short name belongs to one of them first.
    """

    def __init__(self, plugins: Sequence[Plugin], preferred: Iterable[str] = ()) -> None:
        self.plugins = tuple(plugins)
        self._preferred = frozenset(preferred)

    @classmethod
    def installed(cls) -> "Registry":
        """Return the registry of the installed plugins."""
        return cls(discover())

    def with_components(self, classes: Iterable[type[Any]]) -> "Registry":
        """Return a registry that also has classes which were defined in a Python session.

        Such a component has the name `session/ClassName`. It replaces an earlier class of a session with the same kind
        and name.

        Raises:
            PluginError: If a class implements no interface, or if two have the same kind and name.
        """
        if not isinstance(classes, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise PluginError("components are a list of classes, not one class", hint="Pass components=[…].")
        new: dict[tuple[str, str], Registration] = {}
        for component in classes:
            kind, name = kind_of(component), component.__name__
            if (kind, name) in new and new[kind, name].component is not component:
                raise PluginError(f"two {kind} classes are called {name!r}", hint="Rename one of them.")
            target = f"{component.__module__}:{component.__qualname__}"
            new[kind, name] = Registration(kind, SESSION, name, target, component)
        plugins = [plugin for plugin in self.plugins if plugin.name != SESSION]
        previous = [entry for plugin in self.plugins if plugin.name == SESSION for entry in plugin.registrations]
        remaining = [entry for entry in previous if (entry.kind, entry.name) not in new]
        session = Plugin(SESSION, "", "", "", PluginState.OK, registrations=(*remaining, *new.values()))
        return Registry([*plugins, session] if session.registrations else plugins)

    def registration_of(self, component: type[Any]) -> Registration | None:
        """Return the registration of a class, or None if neither a plugin nor a session registers it."""
        for plugin in self.plugins:
            for registration in plugin.registrations:
                if registration.target.rpartition(":")[2] in (component.__name__, component.__qualname__):
                    with suppress(PluginError):
                        if import_target(registration) is component:
                            return registration
        return None

    def new_hooks(self) -> pluggy.PluginManager:
        """Return a new pluggy manager with the hooks of every usable plugin."""
        manager = new_plugin_manager()
        for plugin in self.plugins:
            if plugin.state is not PluginState.OK or not plugin.module_name:
                continue
            module = importlib.import_module(plugin.module_name)
            # Two entry points may name the same module. Its hooks are called once.
            if not manager.is_registered(module):
                manager.register(module, plugin.name)
        return manager

    @property
    def unusable(self) -> list[Plugin]:
        """Plugins that are broken, incompatible or conflicting."""
        return [plugin for plugin in self.plugins if plugin.state is not PluginState.OK]

    @property
    def models(self) -> list[PretrainedModel]:
        """Trained models of all plugins."""
        return [model for plugin in self.plugins for model in plugin.models]

    def find_model(self, name: str) -> PretrainedModel | None:
        """Return a trained model by `plugin/name`, or by `name` if it belongs to one plugin; None if there is none.

        Raises:
            PluginError: If more than one plugin offers it, and none of seqforge itself.
        """
        matches = [model for model in self.models if name in (model.name, model.qualified_name)]
        matches = [model for model in matches if model.plugin in FIRST_PARTY] or matches
        if len(matches) > 1:
            owners = ", ".join(model.qualified_name for model in matches)
            raise PluginError(f"model {name!r} is offered by more than one plugin", hint=f"Write one of: {owners}.")
        return matches[0] if matches else None

    def name_of_run(self, folder: Path) -> str:
        """Return how a user names a run directory: the name of the trained model in it, or its path."""
        return next((model.qualified_name for model in self.models if model.folder == folder), str(folder))

    def registrations(self, kind: str) -> list[Registration]:
        """Return the components of one kind."""
        registrations = (entry for plugin in self.plugins for entry in plugin.registrations)
        return [entry for entry in (EAGER_BACKEND, *registrations) if entry.kind == kind]

    def names_of(self, registration: Registration) -> list[str]:
        """Return the names by which `find` finds a component, the shortest first."""
        if self.owners(registration.kind, registration.name) == [registration]:
            return [registration.name, registration.qualified_name]
        return [registration.qualified_name]

    def owners(self, kind: str, name: str) -> list[Registration]:
        """Return the components that a short name may mean: one, or several if none of them has a right to it."""
        # A class of a session is passed as itself, and has no short name.
        offering = [other for other in self.registrations(kind) if other.name == name and other.plugin != SESSION]
        if any(other.plugin.endswith(FILE_SUFFIX) for other in offering):
            return offering  # The user names a file for this command, and may mean its component.
        for rightful in (self._preferred, FIRST_PARTY):
            offering = [other for other in offering if other.plugin in rightful] or offering
        return offering

    def names(self, kind: str) -> list[str]:
        """Return the shortest name of every component of one kind, sorted."""
        return sorted(self.names_of(registration)[0] for registration in self.registrations(kind))

    def find(self, kind: str, name: str) -> Registration:
        """Find a component by `plugin/name`, or by `name` if it belongs to one plugin; see `Registry`.

        Raises:
            PluginError: If there is no such component, or more than one.
        """
        if "/" in name:
            matches = [candidate for candidate in self.registrations(kind) if candidate.qualified_name == name]
        else:
            matches = self.owners(kind, name)
        if len(matches) == 1:
            return matches[0]
        if matches:
            owners = ", ".join(candidate.qualified_name for candidate in matches)
            raise PluginError(f"{kind} {name!r} is offered by more than one plugin", hint=f"Write one of: {owners}.")
        shown = name if len(name) <= MAXIMUM_LENGTH else f"{name[:MAXIMUM_LENGTH]}…"
        raise PluginError(f"no {kind} is called {shown!r}", hint=self._hint(kind, name))

    def load(self, registration: Registration) -> type[Any]:
        """Import the class of a component.

        Raises:
            PluginError: If it cannot be imported, or if it does not implement the interface of its kind.
        """
        if registration.preset_of:
            return self.load(self.find_target(registration))
        component = load_class(registration)
        if registration is not EAGER_BACKEND:  # An error in it is caused by a cell that it runs.
            name_component(component, registration.kind, registration.qualified_name)
        return component

    def find_target(self, preset: Registration) -> Registration:
        """Return the cell of a preset, which is an installed one, also if a file has one of this name.

        Raises:
            PluginError: If there is no such cell, or if it is a preset.
        """
        installed = Registry([plugin for plugin in self.plugins if not plugin.name.endswith(FILE_SUFFIX)])
        target = installed.find(preset.kind, preset.target)
        if target.preset_of:
            raise PluginError(
                f"{preset.kind} {preset.qualified_name!r} is a preset of {preset.target!r}, which is a preset too",
                hint=author_hint(preset.qualified_name),
            )
        return target

    def _hint(self, kind: str, name: str) -> str:
        """Return the most helpful hint about an unknown name."""
        owner, slash, short = name.partition("/")
        for plugin in self.unusable:
            if owner == plugin.name and slash:
                more = f" See `seqforge plugins show {plugin.name} --traceback`." if plugin.traceback else ""
                return f"The plugin {plugin.name!r} is {plugin.state}: {plugin.reason}.{more}"
        # Components with this name may be found only by another one, or be of another kind.
        if namesakes := [other.qualified_name for other in self.registrations(kind) if name == other.name]:
            return f"Write its qualified name: {' or '.join(namesakes)}."
        kinds = {
            other_kind.with_article
            for other_kind in KINDS.values()
            for other in self.registrations(other_kind.name)
            if name in (other.name, other.qualified_name)
        }
        if kinds:
            return f"{name!r} is {' and '.join(sorted(kinds))}."
        if kind == "corpus" and "text" in self.names(kind):  # The name may be a text, or the path of one.
            if len(name) > MAXIMUM_LENGTH or "\n" in name:
                return "For texts in Python, pass corpus=texts([…])."
            if Path(name).suffix not in ("", FILE_SUFFIX) or Path(name).exists():
                option = shlex.quote(f"corpus.files={name}")
                return f'For a text file: use = "text" and files = "{name}", or --corpus text --set {option}.'
        is_missing = slash and all(plugin.name != owner for plugin in self.plugins)
        if slash and owner == SESSION:
            return f"It was defined in a Python session. Pass its class: Run.open(path, components=[{short}])."
        if is_missing and owner.endswith(FILE_SUFFIX):
            return f"It was defined in the file {owner}. {NEEDS_FILE}"
        candidates = [other.qualified_name for other in self.registrations(kind)] if slash else self.names(kind)
        hint = did_you_mean(name, candidates, SHOW_COMPONENTS)
        if is_missing:
            hint = f"No plugin {owner!r} is installed. {hint}"
        if nearest(name, candidates) is not None:
            return hint
        unusable = [f"{plugin.name} ({plugin.state})" for plugin in self.unusable]
        if unusable:
            hint += f" Unusable plugins: {', '.join(unusable)}."
        return hint if slash else f"{hint} For your own, add --plugin FILE, or pass its class in Python."
