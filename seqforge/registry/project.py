"""The plugins of a project folder, installed or not."""

import importlib
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from seqforge.errors import PluginError
from seqforge.registry.discovery import GROUP, Plugin, discover
from seqforge.registry.registry import Registry
from seqforge.storage.files import read_bounded


def with_project(registry: Registry, folder: Path) -> tuple[Registry, list[Plugin]]:
    """Import the plugins of a folder with a `pyproject.toml`, and return them with a registry that has them.

    The folder, or its `src`, is added to the module search path. Its code is executed. Pass only a path that the user
    named.

    Raises:
        PluginError: If the folder has no plugin, or another copy of it is installed.
    """
    entries = _entries(folder)
    source = folder / "src" if (folder / "src").is_dir() else folder
    sys.path.insert(0, str(source.resolve()))
    importlib.invalidate_caches()
    plugins = discover(entries, disabled=())
    for plugin in plugins:
        file = getattr(sys.modules.get(plugin.module_name), "__file__", None)
        if file is not None and source.resolve() not in Path(file).resolve().parents:
            raise PluginError(
                f"another copy of the plugin {plugin.name!r} is installed: {file}",
                hint=f"Install this one: pip install -e {folder}",
            )
    names = {plugin.name for plugin in plugins}
    return Registry([*(plugin for plugin in registry.plugins if plugin.name not in names), *plugins]), plugins


def _entries(folder: Path) -> list[EntryPoint]:
    path = folder / "pyproject.toml"
    try:
        project: dict[str, Any] = tomllib.loads(read_bounded(path, follow_symlinks=True).decode()).get("project", {})
        entries: dict[str, str] = project.get("entry-points", {}).get(GROUP, {})
        found = [EntryPoint(name=name, value=value, group=GROUP) for name, value in entries.items()]
    except (OSError, ValueError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PluginError(f"{path} cannot be read: {reason}", hint="Name the folder of a plugin.") from error
    if not found:
        raise PluginError(
            f"{path} has no plugin",
            hint=f'Add [project.entry-points."{GROUP}"] with NAME = "MODULE".',
        )
    return found
