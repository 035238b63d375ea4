"""Plugins: hook specifications, discovery, and components by name. Only loading a component may import torch.

What needs pydantic is imported on first use, so that `seqforge --help` starts without it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from seqforge.registry.component import Component, UnfitOptionsError
from seqforge.registry.discovery import DISABLING_VARIABLE, GROUP, Plugin, PluginState, discover
from seqforge.registry.hooks import API_VERSION, PluginHooks, hookimpl
from seqforge.registry.local_plugins import plugin_options, with_plugin_file, with_project
from seqforge.registry.problems import Problem, format_value, join_key
from seqforge.registry.register import CARD, PretrainedModel, Register, Registration
from seqforge.registry.registry import NEEDS_FILE, SHOW_COMPONENTS, Registry
from seqforge.registry.use import Choice, Use, plain_tables, use

if TYPE_CHECKING:
    from seqforge.registry.options import Part, as_list, default, options_of, registry_of, resolve
    from seqforge.registry.validation import from_validation, raise_problems

__all__ = [
    "API_VERSION",
    "CARD",
    "DISABLING_VARIABLE",
    "GROUP",
    "NEEDS_FILE",
    "SHOW_COMPONENTS",
    "Choice",
    "Component",
    "Part",
    "Plugin",
    "PluginHooks",
    "PluginState",
    "PretrainedModel",
    "Problem",
    "Register",
    "Registration",
    "Registry",
    "UnfitOptionsError",
    "Use",
    "as_list",
    "default",
    "discover",
    "format_value",
    "from_validation",
    "hookimpl",
    "join_key",
    "options_of",
    "plain_tables",
    "plugin_options",
    "raise_problems",
    "registry_of",
    "resolve",
    "use",
    "with_plugin_file",
    "with_project",
]

_MODULES = {
    **dict.fromkeys(("Part", "as_list", "default", "options_of", "registry_of", "resolve"), "options"),
    **dict.fromkeys(("from_validation", "raise_problems"), "validation"),
}
"""Modules of the names that are imported on first use."""


def __getattr__(name: str) -> Any:
    """Import a name on its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
