"""Plugins: hook specifications, discovery, and components by name. Only loading a component may import torch.

This module does not import pydantic, so that `seqforge --help` starts without it.
"""

from seqforge.registry.component import Choice, Component, UnfitOptionsError, Use, plain_tables, use
from seqforge.registry.discovery import DISABLING_VARIABLE, GROUP, Plugin, PluginState, discover
from seqforge.registry.hooks import API_VERSION, CARD, PluginHooks, PretrainedModel, Register, Registration, hookimpl
from seqforge.registry.local_plugins import plugin_options, with_plugin_file, with_project
from seqforge.registry.problems import Problem, format_value, join_key
from seqforge.registry.registry import NEEDS_FILE, SHOW_COMPONENTS, Registry

__all__ = [
    "API_VERSION",
    "CARD",
    "DISABLING_VARIABLE",
    "GROUP",
    "NEEDS_FILE",
    "SHOW_COMPONENTS",
    "Choice",
    "Component",
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
    "discover",
    "format_value",
    "hookimpl",
    "join_key",
    "plain_tables",
    "plugin_options",
    "use",
    "with_plugin_file",
    "with_project",
]
