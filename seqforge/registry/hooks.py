"""The hooks that a plugin may implement (pluggy), and the registration of its components and models. No torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from seqforge.kinds.diagnosis import Diagnosis


import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqforge.kinds.table import KINDS

CORE = "core"
"""Plugin name of the one component that the core registers."""

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Name of a component, a model or a new plugin."""

_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Registration:
    """A component as its plugin registered it.

    Attributes:
        kind: Kind of component, such as `cell`.
        target: Class of the component, as `module:Class`.
        component: The class itself, if it was defined in a session; None if it is imported from `target`.
        options: For a preset, values of options of the cell named in `target`.
    """

    kind: str
    plugin: str
    name: str
    target: str
    component: type[Any] | None = field(default=None, repr=False)
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def preset_of(self) -> str:
        """Description of a preset, such as "block with gate = 'gelu'"; empty for a component."""
        settings = ", ".join(f"{name} = {value!r}" for name, value in self.options)
        return f"{self.target} with {settings}" if settings else ""

    @property
    def qualified_name(self) -> str:
        """Unique name: `plugin/name`."""
        return f"{self.plugin}/{self.name}"


CARD = "README.md"
"""The model card in the folder of a model."""


@dataclass(frozen=True, slots=True)
class PretrainedModel:
    """A trained model that a plugin contains.

    Attributes:
        folder: Folder that `seqforge export` wrote. Its `README.md` is the model card.
    """

    plugin: str
    name: str
    folder: Path

    @property
    def qualified_name(self) -> str:
        """Unique name: `plugin/name`."""
        return f"{self.plugin}/{self.name}"


class Register:
    """The components of a plugin, as names and import paths: a component is imported only when it is used.

    Args:
        plugin: Name of the plugin.

    Raises:
        ValueError: If a name or a target is malformed, or if a name is registered twice.
    """

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin
        self.registrations: list[Registration] = []
        self.models: list[PretrainedModel] = []

    def add(self, kind: str, name: str, target: str) -> None:
        """Register a component.

        Args:
            kind: Kind of the component, such as `cell`.
            name: Name in experiments: lower-case words joined by hyphens.
            target: Its class, as `package.module:Class`. It is imported when it is used.

        Raises:
            ValueError: If the kind does not exist, the name or the target is malformed, or the name is taken.
        """
        if kind not in KINDS:
            raise ValueError(f"{name!r}: no kind of component is called {kind!r}; the kinds are {', '.join(KINDS)}")
        self._add(kind, name, target)

    def preset(self, name: str, *, cell: str, options: Mapping[str, Any]) -> None:
        """Register a preset: another name for a cell of any plugin with options of it.

        Args:
            name: Name of the preset.
            cell: Name of the cell.
            options: Values of options, which an experiment may change.

        Raises:
            ValueError: If the name is malformed or taken, or if there is no option.
        """
        if not options:
            raise ValueError(f"preset {name!r} names no option")
        self._add("cell", name, cell, tuple(options.items()))

    def model(self, name: str, folder: Path) -> None:
        """Register a trained model: a folder of the plugin's package that `seqforge export` wrote.

        Commands that read a run accept the name in place of a run directory.
        """
        _check_name("model", name)
        if any(other.name == name for other in self.models):
            raise ValueError(f"model {name!r} is registered twice")
        self.models.append(PretrainedModel(self._plugin, name, folder))

    def _add(self, kind: str, name: str, target: str, options: tuple[tuple[str, Any], ...] = ()) -> None:
        _check_name(kind, name)
        if not options and not _TARGET.fullmatch(target):
            raise ValueError(f"{kind} {name!r}: target {target!r} must have the form 'module:Class'")
        if any((other.kind, other.name) == (kind, name) for other in self.registrations):
            raise ValueError(f"{kind} {name!r} is registered twice")
        self.registrations.append(Registration(kind, self._plugin, name, target, None, options))


def _check_name(kind: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(f"{kind} name {name!r} must be lower-case words joined by hyphens")


API_VERSION = 1
"""Version of the hooks and interfaces, named in a plugin as `SEQFORGE_API`. Every incompatible change increases it."""

hookspec = pluggy.HookspecMarker("seqforge")
hookimpl = pluggy.HookimplMarker("seqforge")


class PluginHooks:
    """Hooks of a plugin. Its entry module implements the hooks that it needs as functions marked `@hookimpl`."""

    @hookspec
    def seqforge_register(self, register: Register) -> None:
        """Register the components of the plugin."""

    @hookspec
    def seqforge_add_commands(self, commands: typer.Typer) -> None:
        """Add commands to the typer application `seqforge`.

        Import large modules inside a command, so that the other commands start quickly.
        """

    @hookspec
    def seqforge_diagnose(self) -> list[Diagnosis]:
        """Diagnose this machine for `seqforge doctor`. Import large modules inside this function.

        Returns:
            One diagnosis for each subject, such as a compiler.
        """
        return []

    @hookspec
    def seqforge_callbacks(self) -> list[object]:
        """Return callbacks that observe every run: objects with some of the methods of `seqforge.Callback`."""
        return []


def new_plugin_manager() -> pluggy.PluginManager:
    """Return a pluggy manager with the hook specifications of seqforge and without plugins."""
    manager = pluggy.PluginManager("seqforge")
    manager.add_hookspecs(PluginHooks)
    return manager
