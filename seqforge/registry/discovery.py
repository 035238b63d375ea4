"""Discovery of installed plugins. A broken plugin is listed with its error, and does not affect the others."""

import enum
import importlib
import sys
import textwrap
import traceback
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from seqforge.faults import FILE_SUFFIX, SESSION
from seqforge.registry.classes import describe_missing
from seqforge.registry.hooks import (
    API_VERSION,
    CORE,
    PluginHooks,
    PretrainedModel,
    Registration,
    new_plugin_manager,
    read_components,
    read_models,
)

GROUP = "seqforge.plugins"
RESERVED_NAMES = (SESSION, "seqforge", CORE)
"""Names that no plugin may have."""


class PluginState(enum.StrEnum):
    """Whether a plugin can be used."""

    OK = "ok"
    BROKEN = "broken"
    INCOMPATIBLE = "incompatible"
    CONFLICTING = "conflicting"


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed plugin.

    Attributes:
        name: Name of its entry point.
        module_name: Name of its entry module.
        distribution: Installed distribution that contains it, or "" if unknown.
        version: Version of the distribution, or "" if unknown.
        state: Whether it can be used.
        reason: Reason why it cannot be used, in one line.
        traceback: Traceback of the error in a broken plugin.
        registrations: Components that it registers.
        models: Trained models that it contains.
        file: Path of a plugin of a single file, as the user wrote it; otherwise None.
    """

    name: str
    module_name: str
    distribution: str
    version: str
    state: PluginState
    reason: str = ""
    traceback: str = ""
    registrations: tuple[Registration, ...] = ()
    models: tuple[PretrainedModel, ...] = ()
    file: Path | None = None


def discover(entries: Iterable[EntryPoint] | None = None) -> list[Plugin]:
    """Import the installed plugins and return each with its state. An error in a plugin is never raised.

    Args:
        entries: Entry points of the plugins; by default, those of the group `seqforge.plugins`.

    Returns:
        All plugins, sorted by name, including those that cannot be used.
    """
    if entries is None:
        entries = entry_points(group=GROUP)
    plugins = sorted(map(_read_metadata, entries), key=lambda plugin: (plugin.name, plugin.distribution))
    return [
        _import_plugin(plugin, [rival.distribution for rival in plugins if rival.name == plugin.name])
        for plugin in plugins
    ]


def _read_metadata(entry: EntryPoint) -> Plugin:
    try:
        metadata: Any = entry.dist.metadata if entry.dist else {}  # Each access reads the file.
        distribution, version = metadata.get("Name") or "", metadata.get("Version") or ""
    except Exception:  # noqa: BLE001 - incomplete metadata raises different errors in different versions of Python
        distribution, version = "", ""
    return Plugin(entry.name, entry.value, distribution, version, PluginState.OK)


def _import_plugin(plugin: Plugin, distributions: Sequence[str]) -> Plugin:
    if len(distributions) > 1:
        owners = " and ".join(distribution or "an unknown distribution" for distribution in distributions)
        reason = f"{owners} contain a plugin of this name; uninstall all but one"
        return replace(plugin, state=PluginState.CONFLICTING, reason=reason)
    if plugin.name in RESERVED_NAMES or plugin.name.endswith(FILE_SUFFIX):
        reason = f"the name {plugin.name!r} is reserved"
        return replace(plugin, state=PluginState.INCOMPATIBLE, reason=reason)
    try:
        with redirect_stdout(sys.stderr):  # The output of a command may be JSON.
            module = importlib.import_module(plugin.module_name)
        version = getattr(module, "SEQFORGE_API", None)
        if version != API_VERSION:
            reason = "its entry module does not define SEQFORGE_API"
            if version is not None:
                is_newer = isinstance(version, int) and version > API_VERSION
                what = "seqforge" if is_newer else "the plugin"
                reason = (
                    f"made for SEQFORGE_API {version!r}, but this version of seqforge has {API_VERSION}; update {what}"
                )
            return replace(plugin, state=PluginState.INCOMPATIBLE, reason=reason)
        _check_hooks(plugin.name, module)
        components, models = read_components(plugin.name, module), read_models(plugin.name, module)
        return replace(plugin, registrations=components, models=models)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit included
        # Not only the first line: the last line of a message of pluggy names the cause.
        words = textwrap.shorten(str(error), 400, placeholder=" ...")
        reason = f"{type(error).__name__}: {words}" if words else type(error).__name__
        if missing := describe_missing(plugin.module_name, error):
            reason = f"its entry point names {plugin.module_name}, but {missing}"
        return replace(plugin, state=PluginState.BROKEN, reason=reason, traceback=traceback.format_exc())


def _check_hooks(name: str, module: ModuleType) -> None:
    # A separate manager, so that a plugin with invalid hooks never reaches the manager that runs use.
    manager = new_plugin_manager()
    manager.register(module, name)
    manager.check_pending()
    for hook in vars(PluginHooks):
        if hook.startswith("seqforge_") and hasattr(module, hook) and manager.parse_hookimpl_opts(module, hook) is None:
            raise TypeError(f"its function {hook} is not marked with @hookimpl")
