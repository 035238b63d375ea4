"""Import of the library of a tracker, which is an optional extra of the plugin."""

import importlib
from typing import Any

from seqforge.errors import PluginError


def import_library(module: str, extra: str) -> Any:
    """Import and return a module.

    Args:
        module: Name of the module.
        extra: Extra of `seqforge-trackers` that installs it.

    Raises:
        PluginError: If it, or a module that it needs, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PluginError(
            f"the library cannot be imported: {error}", hint=f"To install it: pip install 'seqforge-trackers[{extra}]'"
        ) from error
