"""Plugins in folders, which are imported without being installed."""

import importlib
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

from seqforge.registry.discovery import GROUP, Plugin, discover
from seqforge.registry.registry import Registry


def with_project(registry: Registry, folder: Path) -> tuple[Registry, Plugin]:
    """Import the plugin of a folder with a `pyproject.toml`, and return a registry that has it, and the plugin.

    The folder is added to the module search path.
    """
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    (plugin,) = discover(EntryPoint(name, value, GROUP) for name, value in project["entry-points"][GROUP].items())
    return Registry([*registry.plugins, plugin]), plugin
