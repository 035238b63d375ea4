"""The class of a component: its import, the checks of its interface, and its kind."""

import importlib
import pkgutil
import sys
from contextlib import redirect_stdout
from typing import Any

from seqforge.errors import PluginError, did_you_mean
from seqforge.faults import author_hint
from seqforge.kinds.table import KINDS
from seqforge.registry.hooks import Registration
from seqforge.registry.problems import format_value


def import_target(registration: Registration) -> Any:
    """Import and return what a registration names as its class.

    Raises:
        PluginError: If it cannot be imported. The hint names the missing module or class, and the nearest one.
    """
    if registration.component is not None:
        return registration.component
    module_name, _, attribute = registration.target.partition(":")
    try:
        with redirect_stdout(sys.stderr):
            return getattr(importlib.import_module(module_name), attribute)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(
            f"{registration.kind} {registration.qualified_name!r} cannot be imported: {type(error).__name__}: {error}",
            hint=f"{_explain(registration, error)} {author_hint(registration.qualified_name)}",
        ) from error


def load_class(registration: Registration) -> type[Any]:
    """Import the class that a registration names, and check that it implements the interface of its kind.

    Raises:
        PluginError: If it cannot be imported, does not derive from an interface of its kind, or is unfinished.
    """
    component = import_target(registration)
    kind, name, target = KINDS[registration.kind], registration.qualified_name, registration.target
    if not (isinstance(component, type) and issubclass(component, kind.load_interfaces())):
        bases = " or ".join(f"seqforge.kinds.{one.module}:{one.class_name}" for one in kind.interfaces)
        reason = f"is not {kind.with_article}: {target} does not derive from {bases}"
    elif missing := getattr(component, "__abstractmethods__", frozenset[str]()):
        reason = f"is unfinished: {target} does not implement {', '.join(sorted(missing))}"
    else:
        return component
    raise PluginError(f"{kind.name} {name!r} {reason}", hint=author_hint(name))


def kind_of(component: type[Any]) -> str:
    """Return the kind of component that a class implements.

    Raises:
        PluginError: If the class implements no interface of a component.
    """
    if not isinstance(component, type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PluginError(f"a component is a class, not {format_value(component)}", hint="For example: [MyCell].")
    for kind in KINDS.values():
        if issubclass(component, kind.load_interfaces()):
            return kind.name
    bases = ", ".join(interface.class_name for kind in KINDS.values() for interface in kind.interfaces)
    raise PluginError(
        f"{component.__name__} is not a component: it does not derive from an interface",
        hint=f"Derive it from one of: {bases}.",
    )


def describe_missing(module_name: str, error: BaseException) -> str | None:
    """Return that a module, or a package that contains it, does not exist, and the nearest one; None if it does."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing is None or not f"{module_name}.".startswith(f"{missing}."):
        return None
    parent = sys.modules.get(missing.rpartition(".")[0])
    places = getattr(parent, "__path__", [])
    siblings = [f"{missing.rpartition('.')[0]}.{module.name}" for module in pkgutil.iter_modules(places)]
    return f"there is no module {missing}.{_suggest(missing, siblings)}"


def _explain(registration: Registration, error: BaseException) -> str:
    module_name, _, attribute = registration.target.partition(":")
    registered = f"The plugin {registration.plugin!r} registers {registration.target}"
    if missing := describe_missing(module_name, error):
        return f"{registered}, but {missing}"
    if isinstance(error, ModuleNotFoundError):
        return f"{module_name} needs the module {error.name}, which is not installed."
    module = sys.modules.get(module_name)
    if isinstance(error, AttributeError) and module is not None:
        classes = [name for name, value in vars(module).items() if isinstance(value, type)]
        return f"{registered}, but the module has no class {attribute}.{_suggest(attribute, classes)}"
    return f"{registered}."


def _suggest(name: str, candidates: list[str]) -> str:
    return f" {did_you_mean(name, candidates)}" if candidates else ""
