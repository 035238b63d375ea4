"""What a plugin has: tables of its components and models, and hooks (pluggy). No torch here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pluggy

from seqforge.kinds.table import KINDS

if TYPE_CHECKING:
    import typer

    from seqforge.kinds.diagnosis import Diagnosis

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


def read_components(plugin: str, module: ModuleType) -> tuple[Registration, ...]:
    """Return the components and presets of a plugin, which are in two tables of its entry module.

    `COMPONENTS` has a table for each kind: the class of each component by its name, as `package.module:Class`. It is
    imported when it is used. `PRESETS` has other names for cells of any plugin: the table of the cell as in an
    experiment, with `use` and options, by the name of the preset.

    Raises:
        TypeError: If a table is something else.
        ValueError: If a kind does not exist, a name or a target is malformed, a preset names no cell or no option, or a
            name is taken.
    """
    found: dict[tuple[str, str], Registration] = {}
    for kind, targets in _as_table("COMPONENTS", getattr(module, "COMPONENTS", {})).items():
        if kind not in KINDS:
            raise ValueError(f"COMPONENTS: no kind of component is called {kind!r}; the kinds are {', '.join(KINDS)}")
        for name, target in _as_table(kind, targets).items():
            if not (isinstance(target, str) and _TARGET.fullmatch(target)):
                raise ValueError(f"{kind} {name!r}: target {target!r} must have the form 'module:Class'")
            found[kind, name] = Registration(kind, plugin, _check_name(kind, name), target)
    for name, table in _as_table("PRESETS", getattr(module, "PRESETS", {})).items():
        options = dict(_as_table(name, table))
        target = options.pop("use", None)
        if not (isinstance(target, str) and options) or ("cell", name) in found:
            raise ValueError(f"preset {name!r} needs a name of its own, the key 'use' with a cell, and an option")
        found["cell", name] = Registration("cell", plugin, _check_name("cell", name), target, None, (*options.items(),))
    return tuple(found.values())


def read_models(plugin: str, module: ModuleType) -> tuple[PretrainedModel, ...]:
    """Return the trained models of a plugin: the folder of each by its name, in the table `MODELS` of the entry module.

    `seqforge export` wrote each folder, which is a part of the plugin's package. Commands that read a run accept the
    name of a model in place of a run directory.

    Raises:
        TypeError: If a folder is not a path.
        ValueError: If a name has a wrong form.
    """
    folders = _as_table("MODELS", getattr(module, "MODELS", {}))
    models = [PretrainedModel(plugin, _check_name("model", name), folder) for name, folder in folders.items()]
    for model in models:
        if not isinstance(model.folder, Path):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"model {model.name!r}: its folder {model.folder!r} must be a Path")
    return tuple(models)


def _as_table(name: str, table: Any) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise TypeError(f"{name} must be a table, not {table!r}")
    return cast("Mapping[str, Any]", table)


def _check_name(kind: str, name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{kind} name {name!r} must be lower-case words joined by hyphens")
    return name


API_VERSION = 1
"""Version of the hooks and interfaces, named in a plugin as `SEQFORGE_API`. Every incompatible change increases it."""

hookspec = pluggy.HookspecMarker("seqforge")
hookimpl = pluggy.HookimplMarker("seqforge")


class PluginHooks:
    """Hooks of a plugin. Its entry module implements the hooks that it needs as functions marked `@hookimpl`.

    Its components are no hooks: the module lists them in the table `COMPONENTS`.
    """

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
