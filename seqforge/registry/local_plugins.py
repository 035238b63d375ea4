"""Plugins of a single Python file, which are not installed."""

import hashlib
import re
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from seqforge.errors import PluginError, quote_path
from seqforge.faults import FILE_SUFFIX
from seqforge.kinds.table import KINDS
from seqforge.registry.classes import kind_of
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import Registration
from seqforge.registry.registry import Registry
from seqforge.storage.files import read_bounded


def with_plugin_file(registry: Registry, path: str | Path) -> Registry:
    """Import a Python file, and return a registry that also has its components.

    Every class of the file that derives from an interface is a component, unless its name begins with an underscore.
    Its name is that of the class in lower case with hyphens: `ClockworkRNN` is `clockwork-rnn`, and its qualified name
    is `my_cell.py/clockwork-rnn`. If a component of another plugin has the same name, only the qualified names find
    them, so that an experiment cannot use the other one by mistake.

    The file is executed. Pass only a path that the user named, never one from an experiment or a run.

    Raises:
        PluginError: If the file cannot be read or imported, has no component, or has the name of an earlier file.
    """
    path = Path(path)
    if any(plugin.name == path.name for plugin in registry.plugins):
        raise PluginError(f"{path}: a plugin is already called {path.name!r}", hint="Rename one of the files.")
    source = _read(path)
    module = _execute(path, source)
    registrations: list[Registration] = []
    for component in _components_in(module):
        kind, name = kind_of(component), component_name(component.__name__)
        if any((other.kind, other.name) == (kind, name) for other in registrations):
            raise PluginError(f"{path}: two {kind} classes have the name {name!r}", hint="Rename one of them.")
        target = f"{path.name}:{component.__qualname__}"
        registrations.append(Registration(kind, path.name, name, target, component))
    if not registrations:
        raise PluginError(
            f"{path} has no component",
            hint="Derive a class from an interface, such as seqforge.FactoredCell or seqforge.Metric.",
        )
    version = f"sha256:{hashlib.sha256(source).hexdigest()[:16]}"
    plugin = Plugin(path.name, "", "", version, PluginState.OK, registrations=tuple(registrations), file=path)
    return Registry([*registry.plugins, plugin])


def plugin_options(registry: Registry) -> str:
    """Return the options `--plugin`, which a command needs that uses the files of a registry."""
    return "".join(f" --plugin {quote_path(plugin.file)}" for plugin in registry.plugins if plugin.file is not None)


def component_name(class_name: str) -> str:
    """Return the name of the component of a class: `ClockworkRNN` is `clockwork-rnn`, `LSTM2` is `lstm2`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", class_name.replace("_", "-"))
    return words.lower().strip("-")


def _read(path: Path) -> bytes:
    if path.suffix != FILE_SUFFIX:
        hint = "Install a package instead: pip install -e FOLDER." if path.is_dir() else "Its name must end with .py."
        raise PluginError(f"{path} is not a Python file", hint=hint)
    try:
        return read_bounded(path, follow_symlinks=True)
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror}", hint="Correct the path of the plugin.") from error


def _execute(path: Path, source: bytes) -> ModuleType:
    # A name that shadows no other module. The module is registered, because annotations are looked up in it.
    module = ModuleType(f"plugin_file_{re.sub(r'[^a-zA-Z0-9]', '_', path.stem)}")
    module.__file__ = str(path.resolve())
    previous = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        with redirect_stdout(sys.stderr):
            exec(compile(source, module.__file__, "exec", dont_inherit=True), vars(module))  # noqa: S102 - the user named it
    except BaseException as error:
        del sys.modules[module.__name__]
        if previous is not None:
            sys.modules[module.__name__] = previous
        if isinstance(error, KeyboardInterrupt):
            raise
        lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_globals is vars(module)]
        place = f" (line {lines[-1]})" if lines else ""
        hint = f"Correct {path.name}."
        if isinstance(error, ModuleNotFoundError):
            hint = "Only this file is imported. Install the module, or make a package: seqforge plugins new NAME."
        raise PluginError(f"{path} cannot be imported: {type(error).__name__}: {error}{place}", hint=hint) from error
    return module


def _components_in(module: ModuleType) -> list[type[Any]]:
    interfaces = tuple(interface for kind in KINDS.values() for interface in kind.load_interfaces())
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and value.__name__ == name
        and not name.startswith("_")
        and issubclass(value, interfaces)
    ]
