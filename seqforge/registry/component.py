"""Components that an experiment chooses: their classes and their options, checked before they are built."""

import contextlib
import hashlib
import marshal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any, cast

import pydantic_core
from pydantic import ValidationError

from seqforge.errors import PluginError, did_you_mean
from seqforge.faults import SESSION, author_hint, blame_plugin
from seqforge.kinds.table import KINDS
from seqforge.registry.options import NestedOption, Options, options_of
from seqforge.registry.problems import Problem, format_value, from_validation, join_key, unknown_key
from seqforge.registry.register import Registration
from seqforge.registry.registry import SHOW_COMPONENTS, Registry
from seqforge.storage.files import checksum_file


@dataclass(frozen=True, slots=True)
class Component:
    """A component that an experiment has chosen, with checked options.

    Attributes:
        registration: Registration of the component.
        component: Class of the component.
        options: Values of the plain options, by name, as `__init__` takes them.
        nested: Values of the options that are components themselves, by name.
        table: The component's table as in an experiment file, with every default.
    """

    registration: Registration
    component: type[Any]
    options: Mapping[str, Any]
    nested: Mapping[str, "Component | list[Component]"]
    table: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Qualified name."""
        return self.registration.qualified_name

    @property
    def plugins(self) -> set[str]:
        """Names of the plugins that register the component and its nested components."""
        return {self.registration.plugin}.union(*(part.plugins for part in self._parts()))

    def versions(self, plugins: Mapping[str, str]) -> dict[str, str]:
        """Return the versions of the code of the component and of its nested components, for the keys of caches.

        Args:
            plugins: Version of each plugin, by name.

        Returns:
            The version of each plugin by its name, and a digest of each class by the component's name. The digest is
            that of the file of the class, which its author may edit without a new version, or that of the code of a
            class that was defined in a Python session.
        """
        versions = {name: version for part in self._parts() for name, version in part.versions(plugins).items()}
        if self.registration.plugin == SESSION:
            return {**versions, self.name: _code_digest(self.component)}
        versions[self.registration.plugin] = plugins[self.registration.plugin]
        file = getattr(sys.modules.get(self.component.__module__), "__file__", None)
        if isinstance(file, str):
            with contextlib.suppress(OSError):  # It may be in an archive.
                versions[self.name] = checksum_file(Path(file).resolve())
        return versions

    def _parts(self) -> Iterator["Component"]:
        for value in self.nested.values():
            yield from value if isinstance(value, list) else [value]

    def build(self, **supplied: Any) -> Any:
        """Build the component and its nested components.

        Args:
            supplied: Arguments that the engine passes to this kind of component, such as a cell's `input_size`. A
                nested component gets those that its own kind takes.

        Raises:
            PluginError: If `__init__` raises an error. The message of a `ValueError` is an error in the options.
        """

        def build_nested(part: Component) -> Any:
            accepted = KINDS[part.registration.kind].supplied
            return part.build(**{name: value for name, value in supplied.items() if name in accepted})

        nested = {
            name: [build_nested(part) for part in value] if isinstance(value, list) else build_nested(value)
            for name, value in self.nested.items()
        }
        with blame_plugin(self.registration.kind, self.name, self.component, "it cannot be built"):
            try:
                return self.component(**supplied, **self.options, **nested)
            except ValueError as error:
                raise PluginError(f"{self.registration.kind} {self.name!r}: {error}") from error


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


def _portable(code: CodeType) -> CodeType:
    """Return code without its file and line, which differ in every session."""
    constants = tuple(_portable(value) if isinstance(value, CodeType) else value for value in code.co_consts)
    return code.replace(co_filename="", co_firstlineno=1, co_consts=constants)


def resolve(registry: Registry, kind: str, table: Any, key: str, folder: Path) -> Component | list[Problem]:
    """Find the component that a table names by its key `use`, and check its options.

    Returns:
        The component, or every problem of the table.
    """
    if not isinstance(table, Mapping):
        name = table if isinstance(table, str) else "NAME"
        message = f"must be a table with the name of {KINDS[kind].with_article}, not {format_value(table)}"
        return [Problem(key, message, f'Write {{ use = "{name}" }}.', f'Write use("{name}").')]
    options = dict(cast("Mapping[str, Any]", table))
    name = options.pop("use", None)
    if not isinstance(name, str):
        hint = did_you_mean("", registry.names(kind), SHOW_COMPONENTS)
        return [Problem(join_key(key, "use"), f"must name {KINDS[kind].with_article}", hint)]
    try:
        registration = registry.find(kind, name)
        component = registry.load(registration)
        declared = options_of(component, kind, registration.qualified_name)
    except PluginError as error:
        return [Problem(join_key(key, "use"), error.message, error.hint or "", error.python_hint or "")]
    return _check(registry, registration, component, declared, options, key, folder)


def _check(
    registry: Registry,
    registration: Registration,
    component: type[Any],
    declared: Options,
    options: dict[str, Any],
    key: str,
    folder: Path,
) -> Component | list[Problem]:
    """Check the options of a component, and return the component or every problem."""
    owner = registration.qualified_name
    problems = list(_find_wrong_names(registration, declared, options, key))
    nested: dict[str, Component | list[Component]] = {}
    for name, option in declared.nested.items():
        if name in options:
            components, nested_problems = _resolve_nested(registry, option, options[name], join_key(key, name), folder)
            problems += nested_problems
            if not nested_problems:
                nested[name] = components if option.many else components[0]
    # Defaults are validated too, so that a default path is relative to the experiment file as well.
    explicit = {name: value for name, value in options.items() if name in declared.model.model_fields}
    plain = declared.defaults | explicit
    try:
        model = declared.model.model_validate_json(pydantic_core.to_json(plain), context={"folder": folder})
    except ValidationError as error:
        wrong = from_validation(error, plain, key, declared.names, owner, declared.examples)
        defaults = {join_key(key, name) for name in declared.defaults.keys() - explicit.keys()}
        return problems + [_of_default(problem, owner) if problem.key in defaults else problem for problem in wrong]
    problems += _find_wrong_values(declared, explicit, key)
    if problems:
        return problems
    plain_table = {name: value for name, value in model.model_dump(mode="json").items() if value is not None}
    nested_table = {
        name: [dict(part.table) for part in value] if isinstance(value, list) else dict(value.table)
        for name, value in nested.items()
    }
    return Component(
        registration=registration,
        component=component,
        options={name: getattr(model, name) for name in type(model).model_fields},
        nested=nested,
        table={"use": owner, **plain_table, **nested_table},
    )


def _of_default(problem: Problem, owner: str) -> Problem:
    """Return the problem of a value that the experiment does not contain, since it is the default of an option."""
    return Problem(problem.key, f"the default {problem.message}", author_hint(owner))


def _find_wrong_names(
    registration: Registration, declared: Options, options: Mapping[str, Any], key: str
) -> Iterator[Problem]:
    """Yield a problem for each option that the component does not have, and for each nested one that is missing."""
    owner = registration.qualified_name
    for name in options:
        if name in KINDS[registration.kind].supplied:
            yield Problem(join_key(key, name), f"the engine sets this option of {owner}", "Leave it out.")
        elif name not in declared.names:
            yield unknown_key(join_key(key, name), name, declared.names, owner)
    for name, option in declared.nested.items():
        if option.required and name not in options:
            hints = f"Write {name} = {option.example}.", f"Write {name}={option.python_example}."
            yield Problem(join_key(key, name), f"{owner} needs this option", *hints)


def _find_wrong_values(declared: Options, explicit: Mapping[str, Any], key: str) -> Iterator[Problem]:
    """Yield a problem for each value that is of the right type and cannot be used."""
    for name, value in explicit.items():
        if value is None and declared.model.model_fields[name].default is not None:
            yield Problem(join_key(key, name), "cannot be None", "Leave it out to use its default.")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:  # torch takes no other integers
            yield Problem(join_key(key, name), f"should have at most 64 bits, not {format_value(value)}")


def _resolve_nested(
    registry: Registry, option: NestedOption, value: Any, key: str, folder: Path
) -> tuple[list[Component], list[Problem]]:
    """Return the components in the value of an option, and their problems."""
    if option.many and not isinstance(value, list):
        message = f"must be a list of tables, each with the name of {KINDS[option.kind].with_article}"
        return [], [Problem(key, message, f"Write {option.example}.", f"Write {option.python_example}.")]
    tables: dict[str, Any] = {key: value}
    if option.many:
        tables = {join_key(key, index): table for index, table in enumerate(cast("list[Any]", value))}
    components: list[Component] = []
    problems: list[Problem] = []
    for place, table in tables.items():
        resolved = resolve(registry, option.kind, table, place, folder)
        if isinstance(resolved, list):
            problems += resolved
        elif not issubclass(resolved.component, option.interface):
            message = f"{resolved.name} is not of the type {option.interface.__name__}, which this option needs"
            problems.append(Problem(join_key(place, "use"), message))
        else:
            components.append(resolved)
    return components, problems
