"""The interfaces of each kind of component, and the kind of a class."""

import importlib
from typing import Any

from seqforge.errors import PluginError
from seqforge.registry.problems import format_value
from seqforge.registry.register import KINDS


def kind_of(component: type[Any]) -> str:
    """Return the kind of component that a class implements.

    Raises:
        PluginError: If the class implements no interface of a component.
    """
    if not isinstance(component, type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PluginError(f"a component is a class, not {format_value(component)}", hint="For example: [MyCell].")
    for kind in KINDS:
        if issubclass(component, interfaces_of(kind)):
            return kind
    bases = ", ".join(place.partition(":")[2] for kind in KINDS.values() for place in kind.interfaces)
    raise PluginError(
        f"{component.__name__} is not a component: it does not derive from an interface",
        hint=f"Derive it from one of: {bases}.",
    )


def interfaces_of(kind: str) -> tuple[type[Any], ...]:
    """Import and return the interfaces of a kind."""
    places = (place.partition(":") for place in KINDS[kind].interfaces)
    return tuple(getattr(importlib.import_module(module), attribute) for module, _, attribute in places)
