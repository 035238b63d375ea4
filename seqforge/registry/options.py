"""Options of a component: a pydantic model from the signature of its `__init__`, in which a component may be a part."""

import functools
import inspect
import json
import shlex
import types
import typing
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import pydantic
import pydantic_core
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import PydanticSerializationError, core_schema

from seqforge.errors import PluginError, did_you_mean
from seqforge.faults import author_hint
from seqforge.kinds.table import KINDS
from seqforge.registry.component import Component
from seqforge.registry.hooks import Registration
from seqforge.registry.problems import Hints, Problem, format_value, from_validation, raise_problems
from seqforge.registry.registry import SHOW_COMPONENTS, Registry


@dataclass(frozen=True, slots=True)
class Part:
    """The type of a field that is a component: `Annotated[Component, Part("cell")]`.

    A table names the component by its key `use`; its other keys are options. A text alone is the name of a component
    with its default options. The context of the validation has the `registry`, and the `folder` to which relative paths
    are relative. If it has a dictionary `owners`, that one receives the names of the options of each component.

    Attributes:
        kind: Kind of component.
        interface: Interface that an option of another component needs, since a kind may have more than one.
        is_factory: Whether the other component receives a function that builds this one, instead of this one.
    """

    kind: str
    interface: type[Any] | None = None
    is_factory: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda value, info: self.resolve(value, info.context),
            serialization=core_schema.plain_serializer_function_ser_schema(_table_of),
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: Any) -> dict[str, Any]:
        return {"component": self.kind}

    def resolve(self, value: Any, context: Mapping[str, Any]) -> Component:
        """Find the component that a table or a text names, and check its options.

        Raises:
            ValidationError: If anything is wrong.
        """
        registry: Registry = context["registry"]
        described = KINDS[self.kind].with_article
        if not isinstance(value, Mapping | str):
            message = f"must be the name of {described} or a table with it, not {format_value(value)}"
            raise_problems([Problem("", message, 'Write { use = "NAME" }, or use("NAME") in Python.')])
        options = {} if isinstance(value, str) else dict(cast("Mapping[str, Any]", value))
        place = "" if isinstance(value, str) else "use"
        name = value if isinstance(value, str) else options.pop("use", None)
        if not isinstance(name, str):
            hint = did_you_mean("", registry.names(self.kind), SHOW_COMPONENTS)
            raise_problems([Problem(place, f"must name {described}", hint)])
        try:
            registration = registry.find(self.kind, name)
            component = registry.load(registration)
            if registration.options:
                options = {**dict(registration.options), **options}
                registration = registry.find_target(registration)
            model = options_of(registry, registration)
        except PluginError as error:
            raise_problems([Problem(place, error.message, error.hint or "")])
        if self.interface is not None and not issubclass(component, self.interface):
            needed = self.interface.__name__
            message = f"{registration.qualified_name} is not of the type {needed}, which this option needs"
            raise_problems([Problem(place, message)])
        if self.interface is None and "owners" in context:
            context["owners"].setdefault(self.kind, set()).update(model.model_fields)
        fields = model.model_fields.items()
        # Defaults are validated too, so that a default path is relative to the experiment file as well.
        defaults = {
            name: field.default for name, field in fields if not field.is_required() and field.default is not None
        }
        try:
            # The values of a file are those of JSON, in which a list is a tuple and a text is a path.
            checked = model.model_validate_json(pydantic_core.to_json(defaults | options), context=context)
        except ValidationError as error:
            raise_problems(_problems(error, options, defaults, model, self.kind))
        return Component(
            registration=registration,
            component=component,
            options={field: getattr(checked, field) for field in model.model_fields},
            table={"use": registration.qualified_name, **checked.model_dump(mode="json", exclude_none=True)},
            is_factory=self.is_factory,
        )


def _table_of(component: Component | Any) -> Any:
    return component.table if isinstance(component, Component) else component  # the default, in the JSON Schema


def registry_of(info: ValidationInfo) -> Registry:
    """Return the registry in the context of a validation."""
    return cast("dict[str, Any]", info.context)["registry"]


def default(kind: str) -> Any:
    """Return the default of a field of a kind: the name of a component, or a list of it, which is then resolved."""
    name = KINDS[kind].default
    return ([name] if name else []) if KINDS[kind].many else name


def resolve(registry: Registry, kind: str, table: Any, key: str, folder: Path) -> Component | list[Problem]:
    """Find the component that a table names by its key `use`, or a text alone, and check its options.

    Relative paths are relative to `folder`, and problems begin with the key of the table in its experiment.

    Returns:
        The component, or every problem of the table.
    """
    try:
        return Part(kind).resolve(table, {"registry": registry, "folder": folder})
    except ValidationError as error:
        return from_validation(error, {}, key, [], "")


def _problems(
    error: ValidationError, options: dict[str, Any], defaults: dict[str, Any], model: type[BaseModel], kind: str
) -> list[Problem]:
    """Return the problems of the options of a component."""
    owner = cast("str", model.model_config.get("title"))
    problems: list[Problem] = []
    inner = next(iter(parts_of(model)), None)
    for problem in from_validation(error, defaults | options, "", [*model.model_fields], owner, _hints(model)):
        name = problem.key.partition(".")[0]
        if problem.unknown in KINDS[kind].supplied:
            problem = Problem(problem.key, f"the engine sets this option of {owner}", "Leave it out.")
        elif name in defaults and name not in options:
            problem = Problem(problem.key, f"the default {problem.message}", author_hint(owner))
        elif inner and problem.key == problem.unknown != "" and not problem.similar:
            inside = f'For an option of the component inside, write {inner} = {{ use = "…", {name} = … }}.'
            problem = replace(problem, hint=f"{problem.hint} {inside}")
        problems.append(problem)
    return problems


def parts_of(model: type[BaseModel]) -> dict[str, Part]:
    """Return the options of a component that are one component each, by name."""
    fields = model.model_fields.items()
    return {name: part for name, field in fields for part in field.metadata if isinstance(part, Part)}


def _hints(model: type[BaseModel]) -> Hints:
    """Return how to write each option, as far as it is a component or has an example: `Field(examples=[…])`."""
    hints: dict[str, str] = {}
    for name, field in model.model_fields.items():
        items = [part for item in typing.get_args(field.annotation) for part in getattr(item, "__metadata__", ())]
        for part in (*field.metadata, *items):
            if isinstance(part, Part):
                in_file, in_python = f'{{ use = "{part.kind.upper()}" }}', f'use("{part.kind.upper()}")'
                form = "[{}]" if part in items else "{}"
                hints[name] = f"Write {name} = {form.format(in_file)}, or {form.format(in_python)} in Python."
        if field.examples:
            example = field.examples[0]
            value = json.dumps(example, ensure_ascii=False)
            assignment = shlex.quote(f"KEY={example if isinstance(example, str) else value}").replace("KEY", "{key}", 1)
            hints[name] = f"For example, write {name} = {value}, or add --set {assignment}."
    return hints


def options_of(registry: Registry, registration: Registration) -> type[BaseModel]:
    """Return the options of a component as a strict pydantic model, from the signature of its `__init__`.

    Arguments that the engine passes to this kind of component are not options. An argument whose type is the interface
    of a kind is a component within this one: a field with a `Part`. If its type is a function of one size that returns
    an interface, such as `Callable[[int], Cell[Any]]` or `Callable[..., Cell[Any]]`, it receives a function that builds
    the component.

    Raises:
        PluginError: If the class cannot be imported, or an argument cannot be an option, for example because it has no
            type.
    """
    component = registry.load(registration)
    # A notebook may change the signature of a class in place.
    signature = str(inspect.signature(component.__init__))
    return _options_of(component, signature, registration.kind, registration.qualified_name)


@functools.cache
def _options_of(component: type[Any], signature: str, kind: str, owner: str) -> type[BaseModel]:
    """Return the options of a class. Its signature is only a part of the key of the cache."""
    del signature
    supplied, own_interfaces = KINDS[kind].supplied, KINDS[kind].load_interfaces()
    interfaces = {interface: name for name, other in KINDS.items() for interface in other.load_interfaces()}
    arguments = _arguments(component, own_interfaces, owner)
    for name in sorted({*supplied} - {parameter.name for parameter, _ in arguments}):
        raise _configuration_error(owner, f"its __init__ has no argument {name!r}, which the engine passes")
    fields: dict[str, Any] = {
        parameter.name: (
            _accept_single_item(_with_parts(annotation, interfaces)),
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter, annotation in arguments
        if parameter.name not in supplied
    }
    return _model(component.__name__, owner, fields)


def _model(name: str, owner: str, fields: dict[str, Any]) -> type[BaseModel]:
    config = ConfigDict(
        title=owner, extra="forbid", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=()
    )
    try:
        with warnings.catch_warnings():
            # An option may have the name of a method of pydantic, such as `copy`.
            warnings.filterwarnings("error", message="Field name")
            validators: dict[str, Any] = {"check_value": field_validator("*")(classmethod(_check_value))}
            model = pydantic.create_model(name, __config__=config, __validators__=validators, **fields)
    except Exception as error:  # An annotation may raise anything.
        if len(fields) > 1:
            for argument, field in fields.items():
                _model(name, owner, {argument: field})  # If one argument is the cause, the error names it.
        reason = str(error).partition("\n")[0].rstrip(".")
        if isinstance(error, PydanticSchemaGenerationError):
            argument, (annotation, _) = next(iter(fields.items()))
            type_name = annotation.__name__ if isinstance(annotation, type) else annotation
            reason = f"its argument {argument!r} has the type {type_name}, which an experiment file cannot hold"
        raise _configuration_error(owner, reason) from error
    for reserved in fields.keys() - model.model_fields.keys():
        raise _configuration_error(owner, f"pydantic reserves the name {reserved!r}")
    for argument, field in model.model_fields.items():
        try:
            pydantic_core.to_json(None if field.is_required() else field.default)
        except PydanticSerializationError as error:
            reason = f"its argument {argument!r} has the default {format_value(field.default)}"
            raise _configuration_error(owner, f"{reason}, which an experiment file cannot hold") from error
    return model


def _check_value(model: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """Check what the type of an option does not state."""
    if value is None and model.model_fields[cast("str", info.field_name)].default is not None:
        raise_problems([Problem("", "cannot be None", "Leave it out to use its default.")])
    if isinstance(value, int) and not -(2**63) <= value < 2**63:  # torch takes no other integers
        message = f"should have at most 64 bits, not {format_value(value)}"
        raise_problems([Problem("", message)])
    return value


def _arguments(
    component: type[Any], interfaces: tuple[type[Any], ...], owner: str
) -> list[tuple[inspect.Parameter, Any]]:
    home = next(parent for parent in component.__mro__ if "__init__" in vars(parent))
    if home not in interfaces and any(issubclass(interface, home) for interface in interfaces):
        return []  # It inherits the __init__ of torch.nn.Module or object, whose arguments are not options.
    try:
        hints = typing.get_type_hints(component.__init__, include_extras=True)
    except Exception as error:
        raise _configuration_error(owner, str(error)) from error
    arguments: list[tuple[inspect.Parameter, Any]] = []
    for parameter in list(inspect.signature(component.__init__).parameters.values())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            kind = parameter.kind.description
            raise _configuration_error(owner, f"its __init__ has a {kind} argument {parameter.name!r}")
        if parameter.name == "use":
            raise _configuration_error(owner, "'use' is the key that names a component, and cannot be an option")
        if parameter.name not in hints:
            example = f"{parameter.name}: {_type_name(parameter)}"
            raise _configuration_error(
                owner, f"its argument {parameter.name!r} has no type annotation, such as {example!r}"
            )
        arguments.append((parameter, hints[parameter.name]))
    return arguments


def _type_name(parameter: inspect.Parameter) -> str:
    """Return the type that an argument may have: that of its default."""
    default: Any = parameter.default
    if isinstance(default, list | tuple):
        items = cast("Sequence[Any]", default)
        return f"list[{type(items[0]).__name__ if items else 'str'}]"
    return "int" if default in (parameter.empty, None) else type(default).__name__


def _with_parts(annotation: Any, interfaces: Mapping[Any, str]) -> Any:
    """Return the type of an option with a `Part` in the place of each interface."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    interface = origin or annotation
    if isinstance(interface, type) and interface in interfaces:
        return Annotated[Component, Part(interfaces[interface], interface)]
    if origin is Callable and arguments[0] in ([int], ...):
        built = typing.get_origin(arguments[1]) or arguments[1]
        if built in interfaces:
            return Annotated[Component, Part(interfaces[built], built, is_factory=True)]
    if origin is Annotated:
        return Annotated[(_with_parts(arguments[0], interfaces), *annotation.__metadata__)]
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(_with_parts(argument, interfaces) for argument in arguments)]  # noqa: UP007
    if origin in (list, Sequence):
        generic: Any = origin
        return generic[_with_parts(arguments[0], interfaces)]
    return annotation


def _accept_single_item(annotation: Any) -> Any:
    """Accept a single text for a list of texts or paths: `files = "a.txt"` stands for `files = ["a.txt"]`."""
    bare = next(one for one in _alternatives(annotation) if one is not types.NoneType)
    if typing.get_origin(bare) not in (list, Sequence):
        return annotation
    (item,) = typing.get_args(bare)
    if not {*_alternatives(item)} <= {str, Path}:
        return annotation
    listed = BeforeValidator(
        lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=item | annotation
    )
    return Annotated[annotation, listed]


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types of a union, or the one type."""
    bare = _bare(annotation)
    is_union = typing.get_origin(bare) in (types.UnionType, typing.Union)
    return [_bare(one) for one in (typing.get_args(bare) if is_union else (bare,))]


def _bare(annotation: Any) -> Any:
    """Return the type in `Annotated[type, …]`."""
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def _configuration_error(owner: str, reason: str) -> PluginError:
    return PluginError(f"{owner!r} cannot be configured: {reason}", hint=author_hint(owner))
