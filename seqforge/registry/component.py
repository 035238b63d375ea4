"""Components that an experiment chooses, in a file or in Python, with their checked options, before they are built."""

import contextlib
import datetime
import hashlib
import marshal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any, cast

from seqforge.errors import ExperimentError, PluginError
from seqforge.faults import SESSION, blame_plugin
from seqforge.kinds.table import KINDS
from seqforge.registry.hooks import Registration
from seqforge.registry.problems import format_value, join_key
from seqforge.registry.registry import Registry
from seqforge.storage.files import checksum_file
from seqforge.storage.paths import is_utf8


class UnfitOptionsError(PluginError):
    """Options that a component refuses when it is built, though each of them is valid."""

    def __init__(self, component: "Component", reason: str) -> None:
        super().__init__(f"{component.registration.kind} {component.name!r}: {reason}")
        self.component, self.reason = component, reason


@dataclass(frozen=True, slots=True)
class Component:
    """A component that an experiment has chosen, with checked options.

    Attributes:
        options: Values of the options, by name, as `__init__` takes them. The value of an option that is a component is
            a `Component`; that of an option with several is a sequence of them.
        table: The component's table as in an experiment file, with every default.
        is_factory: Whether the component around it receives a function that builds it from its size.
    """

    registration: Registration
    component: type[Any]
    options: Mapping[str, Any]
    table: Mapping[str, Any]
    is_factory: bool = False

    @property
    def name(self) -> str:
        """Qualified name."""
        return self.registration.qualified_name

    @property
    def plugins(self) -> set[str]:
        """Names of the plugins that register the component and the components within it."""
        return {self.registration.plugin}.union(*(part.plugins for _, part in self._parts()))

    def versions(self, plugins: Mapping[str, str]) -> dict[str, str]:
        """Return the versions of the code of the component and of those within it, for the keys of caches.

        Returns:
            The given version of each plugin by its name, and a digest of each class by the component's name. The digest
            is that of the file of the class, which its author may edit without a new version, or that of the code of a
            class that was defined in a Python session.
        """
        versions = {name: version for _, part in self._parts() for name, version in part.versions(plugins).items()}
        if self.registration.plugin == SESSION:
            return {**versions, self.name: _code_digest(self.component)}
        versions[self.registration.plugin] = plugins[self.registration.plugin]
        file = getattr(sys.modules.get(self.component.__module__), "__file__", None)
        if isinstance(file, str):
            with contextlib.suppress(OSError):  # It may be in an archive.
                versions[self.name] = checksum_file(Path(file).resolve())
        return versions

    def _parts(self) -> Iterator[tuple[list[str | int], "Component"]]:
        """Yield each component in the options, after its keys."""
        for name, value in self.options.items():
            if isinstance(value, Component):
                yield [name], value
            elif _holds_components(value):
                yield from (([name, index], part) for index, part in enumerate(value))

    def path_to(self, part: "Component") -> list[str | int] | None:
        """Return the keys from this component to another one within it; empty for itself, None if it is not within."""
        if part is self:
            return []
        for keys, inner in self._parts():
            if (rest := inner.path_to(part)) is not None:
                return [*keys, *rest]
        return None

    def build(self, **supplied: Any) -> Any:
        """Build the component and those within it.

        Args:
            supplied: Arguments that the engine passes to this kind of component, such as a cell's `input_size`. A
                component within this one gets those that its own kind takes, or the size for which it is built, if
                this component receives a function.

        Raises:
            PluginError: If `__init__` raises an error. For a `ValueError`, it is an `UnfitOptionsError`.
        """

        def build_part(value: Any) -> Any:
            if isinstance(value, Component):
                if value.is_factory:
                    return value.build_for_size
                accepted = KINDS[value.registration.kind].supplied
                return value.build(**{name: given for name, given in supplied.items() if name in accepted})
            return [build_part(part) for part in value] if _holds_components(value) else value

        options = {name: build_part(value) for name, value in self.options.items()}
        with blame_plugin(self.registration.kind, self.name, self.component, "it cannot be built"):
            try:
                return self.component(**supplied, **options)
            except ValueError as error:
                raise UnfitOptionsError(self, str(error)) from error

    def build_for_size(self, size: int) -> Any:
        """Build the component, with this size for every argument that the engine otherwise passes to its kind."""
        return self.build(**dict.fromkeys(KINDS[self.registration.kind].supplied, size))


def _holds_components(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(part, Component) for part in cast("list[Any]", value))


def _code_digest(component: type[Any]) -> str:
    """Return a digest of the methods of a class, and of the plain values in its attributes, defaults and closures."""
    digest = hashlib.blake2b(digest_size=8)
    for base in component.__mro__[:-1]:
        for name, member in sorted(vars(base).items()):
            digest.update(name.encode())
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if isinstance(function, FunctionType):
                closure = function.__closure__ or ()
                parts = [_portable(function.__code__), function.__defaults__, function.__kwdefaults__, *closure]
            else:
                parts = [] if name.startswith("__") else [member]
            for part in parts:
                with contextlib.suppress(ValueError):  # It is not a plain value, or an empty cell.
                    content: Any = part.cell_contents if isinstance(part, CellType) else part
                    digest.update(marshal.dumps(content, 2))  # Later versions depend on the counts of references.
    return digest.hexdigest()


def _portable(value: Any) -> Any:
    """Return a constant in a form that `marshal` writes, and writes alike in every session.

    Code has a file and a line, and from Python 3.14 on, its constants may be slices.
    """
    match value:
        case CodeType():
            return value.replace(co_filename="", co_firstlineno=1, co_consts=_portable(value.co_consts))
        case slice():
            return "slice", value.start, value.stop, value.step
        case tuple():
            return tuple(map(_portable, cast("tuple[Any, ...]", value)))
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Use:
    """A component with options, chosen in Python.

    Attributes:
        component: Name of a registered component, or a class that implements an interface.
        options: Options of the component, by name.
    """

    component: str | type[Any]
    options: Mapping[str, Any]


Choice = Use | str | type[Any]
"""A component in an argument of `Experiment`. A name or a class alone has its default options."""


def use(component: str | type[Any], /, **options: Any) -> Use:
    """Choose a component for an experiment, by its name or by its class.

    This function checks only the type of its argument. `Experiment` checks the name and the options, by the same rules
    as in a file. An option that is itself a component is also given as `use(…)`.

    Raises:
        PluginError: If the component is neither a name nor a class.
    """
    if not isinstance(component, str | type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PluginError(
            f"use() takes the name or the class of a component, not {format_value(component)}",
            hint='For example: use("lstm", hidden_size=256), or use(MyCell, hidden_size=256).',
        )
    return Use(component, options)


def plain_tables(value: Any, registry: Registry) -> tuple[Any, Registry]:
    """Convert Python values to values of an experiment file.

    Each `use(…)` and each class becomes a table, a path becomes text, and a NumPy number becomes a plain number.

    Returns:
        The values, and a registry that also has the classes among them that no plugin registers.

    Raises:
        ExperimentError: If an experiment file cannot hold a value of this type, or text that is not valid Unicode.
        PluginError: If a class implements no interface, or if two have the same kind and name.
    """
    classes: list[type[Any]] = []

    def plain(value: Any, key: str) -> Any:
        match value:
            case Use(component=component, options=options):
                return {"use": name_of(component), **plain(options, key)}
            case type():
                return {"use": name_of(value)}
            case Mapping():
                items = cast("Mapping[Any, Any]", value).items()
                return {_text(str(name), key): plain(inner, join_key(key, str(name))) for name, inner in items}
            case list() | tuple():
                values = cast("list[Any]", value)
                return [plain(inner, join_key(key, index)) for index, inner in enumerate(values)]
            case str() | Path():
                return _text(str(value), key)
            case None | bool() | datetime.date() | datetime.time():
                return value
            case Integral():
                return int(value)
            case Real():
                return float(value)
            case _:
                raise ExperimentError(
                    f"the experiment: {key}: an experiment cannot hold the value {format_value(value)}",
                    hint="Pass text, a number, True or False, a list, a dict, a path, or use(…).",
                )

    def name_of(component: str | type[Any]) -> str:
        if isinstance(component, str):
            return component
        if registration := registry.registration_of(component):
            return registration.qualified_name
        classes.append(component)
        return f"{SESSION}/{component.__name__}"

    table = plain(value, "")
    return table, registry.with_components(classes) if classes else registry


def _text(text: str, key: str) -> str:
    if is_utf8(text):
        return text
    raise ExperimentError(
        f"the experiment: {key}: {text!r} is not valid UTF-8",
        hint="An experiment is stored in UTF-8. If this is the name of a file, rename the file.",
    )
