"""Plugins: hook specifications, discovery, and components by name. Only loading a component may import torch.

This module does not import pydantic, so that `seqforge --help` starts without it.
"""

from seqforge.registry.component import Component, UnfitOptionsError
from seqforge.registry.discovery import DISABLING_VARIABLE, GROUP, Plugin, PluginState, discover
from seqforge.registry.hooks import API_VERSION, PluginHooks, hookimpl
from seqforge.registry.local_plugins import plugin_options, with_plugin_file, with_project
from seqforge.registry.problems import Problem, format_value, join_key
from seqforge.registry.register import CARD, PretrainedModel, Register, Registration
from seqforge.registry.registry import NEEDS_FILE, SHOW_COMPONENTS, Registry
from seqforge.registry.use import Choice, Use, plain_tables, use

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
