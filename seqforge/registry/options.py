"""Options of a component: a pydantic model that is built from the signature of its `__init__`."""

import inspect
import types
import typing
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.errors import PydanticSchemaGenerationError

from seqforge.errors import PluginError
from seqforge.faults import author_hint
from seqforge.kinds.table import KINDS


@dataclass(frozen=True, slots=True)
class NestedOption:
    """An option that is a component itself, or a list of components.

    Attributes:
        kind: Kind of component.
        interface: Interface that the component must implement; a kind may have more than one.
        required: Whether the option has no default.
        many: Whether it is a list.
        description: Description of the option.
    """

    kind: str
    interface: type[Any]
    required: bool
    many: bool
    description: str

    @property
    def example(self) -> str:
        """Example of a value, as in an experiment file."""
        table = f'{{ use = "{self.kind.upper()}" }}'
        return f"[{table}]" if self.many else table

    @property
    def python_example(self) -> str:
        """Example of a value, as in Python."""
        chosen = f'use("{self.kind.upper()}")'
        return f"[{chosen}]" if self.many else chosen


@dataclass(frozen=True, slots=True)
class Options:
    """The options that an experiment may set for a component.

    Attributes:
        model: Plain options, as a strict pydantic model.
        nested: Options that are components themselves.
    """

    model: type[BaseModel]
    nested: dict[str, NestedOption]

    @property
    def defaults(self) -> dict[str, Any]:
        """Defaults of the plain options, except those that are None."""
        fields = self.model.model_fields.items()
        return {name: field.default for name, field in fields if not field.is_required() and field.default is not None}

    @property
    def examples(self) -> dict[str, Any]:
        """Example of each plain option that has one: `Field(examples=[…])`."""
        return {name: field.examples[0] for name, field in self.model.model_fields.items() if field.examples}

    @property
    def names(self) -> list[str]:
        """Names of all options: plain options first, each group in the order of the signature."""
        return [*self.model.model_fields, *self.nested]


def options_of(component: type[Any], kind: str, owner: str) -> Options:
    """Return the options of a component, from the signature of its `__init__`.

    Arguments that the engine passes to this kind of component are not options.

    Raises:
        PluginError: If an argument cannot be an option, for example because it has no type.
    """
    supplied = KINDS[kind].supplied
    interfaces = {interface: kind.name for kind in KINDS.values() for interface in kind.load_interfaces()}
    arguments = _arguments(component, KINDS[kind].load_interfaces(), owner)
    for name in sorted(supplied - {parameter.name for parameter, _ in arguments}):
        raise _configuration_error(owner, f"its __init__ has no argument {name!r}, which the engine passes")
    plain: dict[str, Any] = {}
    nested: dict[str, NestedOption] = {}
    for parameter, annotation in arguments:
        if parameter.name in supplied:
            continue
        option = _nested_option(annotation, parameter, interfaces)
        if option is not None:
            nested[parameter.name] = option
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            plain[parameter.name] = (_accept_single_item(annotation), default)
    return Options(_model(component.__name__, owner, plain), nested)


def _model(name: str, owner: str, fields: dict[str, Any]) -> type[BaseModel]:
    config = ConfigDict(
        title=owner, extra="forbid", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=()
    )
    try:
        with warnings.catch_warnings():
            # An option may have the name of a method of pydantic, such as `copy`.
            warnings.filterwarnings("error", message="Field name")
            model = pydantic.create_model(name, __config__=config, **fields)
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
    return model


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
            example = f"{parameter.name}: {_type_name(parameter.default)}"
            raise _configuration_error(
                owner, f"its argument {parameter.name!r} has no type annotation, such as {example!r}"
            )
        arguments.append((parameter, hints[parameter.name]))
    return arguments


def _type_name(default: Any) -> str:
    return type(default).__name__ if isinstance(default, bool | int | float | str) else "float"


def _accept_single_item(annotation: Any) -> Any:
    """Accept a single text for a list of texts or paths: `files = "a.txt"` stands for `files = ["a.txt"]`."""
    bare, _ = _without_none(annotation)
    if typing.get_origin(bare) not in (list, Sequence):
        return annotation
    (item,) = typing.get_args(bare)
    if _bare(item)[0] not in (str, Path):
        return annotation
    return Annotated[annotation, BeforeValidator(_as_list, json_schema_input_type=item | annotation)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _without_none(annotation: Any) -> tuple[Any, str]:
    """Return the type inside `Annotated[…]` and `… | None`, and its description.

    A union of several other types is returned unchanged.
    """
    annotation, description = _bare(annotation)
    if typing.get_origin(annotation) not in (types.UnionType, typing.Union):
        return annotation, description
    alternatives = [part for part in typing.get_args(annotation) if part is not types.NoneType]
    if len(alternatives) != 1:
        return annotation, description
    inner, inner_description = _bare(alternatives[0])
    return inner, description or inner_description


def _nested_option(
    annotation: Any, parameter: inspect.Parameter, interfaces: dict[type[Any], str]
) -> NestedOption | None:
    annotation, description = _without_none(annotation)
    many = typing.get_origin(annotation) in (list, Sequence)
    if many:
        annotation, _ = _bare(typing.get_args(annotation)[0])
    interface = typing.get_origin(annotation) or annotation
    if not isinstance(interface, type) or interface not in interfaces:
        return None
    return NestedOption(interfaces[interface], interface, parameter.default is parameter.empty, many, description)


def _bare(annotation: Any) -> tuple[Any, str]:
    """Return the type and the description in `Annotated[type, Field(description="…")]`."""
    if typing.get_origin(annotation) is not typing.Annotated:
        return annotation, ""
    inner, *extras = typing.get_args(annotation)
    return inner, next((extra.description or "" for extra in extras if hasattr(extra, "description")), "")


def _configuration_error(owner: str, reason: str) -> PluginError:
    return PluginError(f"{owner!r} cannot be configured: {reason}", hint=author_hint(owner))
