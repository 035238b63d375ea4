"""Plugins: hook specifications, discovery, and components by name. Only loading a component may import torch.

The names here are those that plugins use. None of them needs pydantic, so that `seqforge --help` starts without it.
"""

from seqforge.registry.hooks import API_VERSION, PluginHooks, hookimpl
from seqforge.registry.local_plugins import with_plugin_file

__all__ = ["API_VERSION", "PluginHooks", "hookimpl", "with_plugin_file"]
