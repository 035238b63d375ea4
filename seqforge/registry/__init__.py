"""Plugins: hook specifications, discovery, and components by name. Only loading a component may import torch.

What needs pydantic is imported on first use, so that `seqforge --help` starts without it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from seqforge.registry.discovery import DISABLING_VARIABLE, GROUP, Plugin, PluginState, discover
from seqforge.registry.hooks import API_VERSION, PluginHooks, hookimpl
from seqforge.registry.plugin_file import plugin_options, with_plugin_file
from seqforge.registry.problems import Problem, format_value, from_validation, join_key
from seqforge.registry.project import with_project
from seqforge.registry.register import CARD, PretrainedModel, Register, Registration
from seqforge.registry.registry import NEEDS_FILE, SHOW_COMPONENTS, Registry
from seqforge.registry.use import Choice, Use, plain_tables, use, with_classes_of

if TYPE_CHECKING:
    from seqforge.registry.component import Component, resolve
    from seqforge.registry.options import Options, options_of

__all__ = [
    "API_VERSION",
    "CARD",
    "DISABLING_VARIABLE",
    "GROUP",
    "NEEDS_FILE",
    "SHOW_COMPONENTS",
    "Choice",
    "Component",
    "Options",
    "Plugin",
    "PluginHooks",
    "PluginState",
    "PretrainedModel",
    "Problem",
    "Register",
    "Registration",
    "Registry",
    "Use",
    "discover",
    "format_value",
    "from_validation",
    "hookimpl",
    "join_key",
    "options_of",
    "plain_tables",
    "plugin_options",
    "resolve",
    "use",
    "with_classes_of",
    "with_plugin_file",
    "with_project",
]

_MODULES = {"Component": "component", "resolve": "component", "Options": "options", "options_of": "options"}
"""Modules of the names that are imported on first use."""


def __getattr__(name: str) -> Any:
    """Import a name on its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
