"""A component's options are the signature of its `__init__`: from one, pydantic builds the model of the other."""

import inspect
import types
import typing
from dataclasses import dataclass
from typing import Any

import pydantic
from pydantic import BaseModel, ConfigDict

from seqforge.errors import PluginError
from seqforge.registry.kinds import KINDS
from seqforge.registry.registry import interface_of


@dataclass(frozen=True, slots=True)
class NestedOption:
    """An option that is itself a component, or a list of them.

    Attributes:
        kind: The kind of component.
        required: Whether it must be given.
        many: Whether it is a list.
        description: What it is for.
    """

    kind: str
    required: bool
    many: bool
    description: str


@dataclass(frozen=True, slots=True)
class Options:
    """What an experiment may say of a component.

    Attributes:
        model: The plain options, as a strict pydantic model.
        nested: The options that are components in turn.
    """

    model: type[BaseModel]
    nested: dict[str, NestedOption]

    @property
    def names(self) -> list[str]:
        """Every option, in the order of the signature's kinds: plain ones first."""
        return [*self.model.model_fields, *self.nested]


def options_of(component: type[Any], kind: str, owner: str) -> Options:
    """Read a component's options from its signature.

    Args:
        component: The class.
        kind: Its kind; what the engine supplies to that kind is no option.
        owner: Its qualified name, for messages.

    Raises:
        PluginError: Where the signature cannot be an experiment's: an argument without a type, or `*args`.
    """
    interfaces = {interface_of(name): name for name in KINDS}
    plain: dict[str, Any] = {}
    nested: dict[str, NestedOption] = {}
    for parameter, annotation in _arguments(component, owner):
        if parameter.name in KINDS[kind].supplied:
            continue
        option = _nested_option(annotation, parameter, interfaces)
        if option is not None:
            nested[parameter.name] = option
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            plain[parameter.name] = (annotation, default)
    config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True, title=owner,
        protected_namespaces=(),
    )  # fmt: skip
    try:
        model = pydantic.create_model(component.__name__, __config__=config, **plain)
    except pydantic.errors.PydanticUserError as error:
        raise _unfit(owner, str(error)) from error
    return Options(model, nested)


def _arguments(component: type[Any], owner: str) -> list[tuple[inspect.Parameter, Any]]:
    if component.__init__ is object.__init__:
        return []
    try:
        hints = typing.get_type_hints(component.__init__, include_extras=True)
    except NameError as error:
        raise _unfit(owner, str(error)) from error
    arguments: list[tuple[inspect.Parameter, Any]] = []
    for parameter in list(inspect.signature(component.__init__).parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise _unfit(owner, f"its __init__ takes *{parameter.name}")
        if parameter.name not in hints:
            raise _unfit(owner, f"its argument {parameter.name!r} has no type")
        arguments.append((parameter, hints[parameter.name]))
    return arguments


def _nested_option(
    annotation: Any, parameter: inspect.Parameter, interfaces: dict[type[Any], str]
) -> NestedOption | None:
    description = ""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *extras = typing.get_args(annotation)
        description = next((extra.description or "" for extra in extras if hasattr(extra, "description")), "")
    alternatives = [annotation]
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        alternatives = [part for part in typing.get_args(annotation) if part is not types.NoneType]
    inner = alternatives[0]
    many = typing.get_origin(inner) in (list, tuple)
    if many:
        inner = typing.get_args(inner)[0]
    inner = typing.get_origin(inner) or inner
    if len(alternatives) != 1 or not isinstance(inner, type) or inner not in interfaces:
        return None
    return NestedOption(interfaces[inner], parameter.default is parameter.empty, many, description)


def _unfit(owner: str, reason: str) -> PluginError:
    return PluginError(
        f"{owner!r} cannot be configured: {reason}",
        hint=f"This is for the author of the plugin {owner.partition('/')[0]!r} to mend.",
    )
