"""Finding installed plugins: our own loop over the metadata, so that one broken plugin costs only itself."""

import enum
import importlib
import os
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from seqforge.registry.hooks import API_VERSION, new_plugin_manager
from seqforge.registry.register import Register, Registration

GROUP = "seqforge.plugins"
DISABLING_VARIABLE = "SEQFORGE_DISABLE_PLUGINS"


class PluginState(enum.StrEnum):
    """Whether a plugin can be used."""

    OK = "ok"
    BROKEN = "broken"
    INCOMPATIBLE = "incompatible"
    CONFLICTING = "conflicting"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed plugin.

    Attributes:
        name: Its entry point's name.
        module_name: Its entry module.
        distribution: What was installed to bring it, or "" where unknown.
        version: That distribution's version, or "" where unknown.
        state: Whether it can be used.
        reason: Why not, in one line.
        traceback: What Python said, where it is broken.
        module: The entry module, where it is ok.
        registrations: Its components.
    """

    name: str
    module_name: str
    distribution: str
    version: str
    state: PluginState
    reason: str = ""
    traceback: str = ""
    module: ModuleType | None = None
    registrations: tuple[Registration, ...] = ()


def discover(entries: Iterable[EntryPoint] | None = None, disabled: Iterable[str] | None = None) -> list[Plugin]:
    """Look at every installed plugin, import those that are to be used, and say of each how it stands.

    Args:
        entries: Entry points; by default those of the group `seqforge.plugins`.
        disabled: Names of plugins not to import; by default the comma-separated `SEQFORGE_DISABLE_PLUGINS`.

    Returns:
        The plugins, by name. None is left out, and none raises.
    """
    if entries is None:
        entries = entry_points(group=GROUP)
    if disabled is None:
        disabled = os.environ.get(DISABLING_VARIABLE, "").split(",")
    switched_off = {name.strip() for name in disabled}
    ordered = sorted(entries, key=lambda entry: (entry.name, _distribution(entry)))
    uses = Counter(entry.name for entry in ordered)
    return [_examine(entry, entry.name in switched_off, uses[entry.name]) for entry in ordered]


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else ""


def _examine(entry: EntryPoint, switched_off: bool, uses: int) -> Plugin:
    def plugin(
        state: PluginState,
        reason: str = "",
        trace: str = "",
        module: ModuleType | None = None,
        registrations: Iterable[Registration] = (),
    ) -> Plugin:
        return Plugin(
            name=entry.name,
            module_name=entry.value,
            distribution=_distribution(entry),
            version=entry.dist.version if entry.dist else "",
            state=state,
            reason=reason,
            traceback=trace,
            module=module,
            registrations=tuple(registrations),
        )

    if switched_off:
        return plugin(PluginState.DISABLED, f"named in {DISABLING_VARIABLE}")
    if uses > 1:
        return plugin(
            PluginState.CONFLICTING, f"{uses} distributions bring a plugin of this name; uninstall all but one"
        )
    try:
        module = importlib.import_module(entry.value)
        stated = getattr(module, "SEQFORGE_API", None)
        if stated != API_VERSION:
            reason = f"made for SEQFORGE_API {stated}, this is {API_VERSION}" if stated else "states no SEQFORGE_API"
            return plugin(PluginState.INCOMPATIBLE, reason)
        return plugin(PluginState.OK, module=module, registrations=_registrations(entry.name, module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit included
        return plugin(PluginState.BROKEN, _one_line(error), trace=traceback.format_exc())


def _registrations(name: str, module: ModuleType) -> list[Registration]:
    # A manager of its own, so that a plugin whose hooks do not fit never reaches the one that runs call.
    manager = new_plugin_manager()
    manager.register(module, name)
    manager.check_pending()
    register = Register(name)
    manager.hook.seqforge_register(register=register)
    return register.registrations


def _one_line(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
