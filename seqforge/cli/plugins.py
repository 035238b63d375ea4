"""`seqforge plugins list` and `seqforge plugins show`. The other commands about plugins have files of their own."""

import inspect
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from seqforge.cli.new_plugin import new_plugin
from seqforge.cli.plugins_check import check_plugins, find_subject
from seqforge.cli.terminal import stdout
from seqforge.errors import PluginError, printable
from seqforge.kinds.table import KINDS
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import CARD, PretrainedModel, Registration
from seqforge.registry.registry import Registry
from seqforge.storage.files import read_bounded, reported_failures

if TYPE_CHECKING:
    from pydantic import BaseModel

    from seqforge.kinds import Quantity

plugins_app = typer.Typer(help="Show, check and create plugins.", no_args_is_help=True)
plugins_app.command("check")(check_plugins)
plugins_app.command("new")(new_plugin)

_DEFAULTS = {"required": "required", "absent": "absent by default"}


@plugins_app.command("list")
def list_plugins(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False
) -> None:
    """List the installed plugins: version, state, and what each contains or why it cannot be used.

    [bold]Example[/]

      seqforge plugins list --json
    """
    registry: Registry = context.obj
    if as_json:
        typer.echo(json.dumps([_as_json(plugin) for plugin in registry.plugins], indent=2))
        return
    if not registry.plugins:
        typer.echo('No plugin is installed. To add those of seqforge: pip install "seqforge-core[all] @ git+ADDRESS"')
        return
    commands = registry.new_hooks().hook.seqforge_add_commands.get_hookimpls()
    with_commands = {implementation.plugin_name for implementation in commands}
    width = max(len(plugin.name) for plugin in registry.plugins)
    for plugin in registry.plugins:
        style = "green" if plugin.state is PluginState.OK else "red"
        counts = Counter(entry.kind for entry in plugin.registrations)
        contents = [
            f"{count} {kind.name if count == 1 else kind.plural}"
            for kind in KINDS.values()
            if (count := counts[kind.name])
        ]
        contents += [f"model {model.name}" for model in plugin.models]
        contents += ["commands"] if plugin.name in with_commands else []
        stdout().print(f"{plugin.name:<{width}}  {plugin.version:<8} ", end="")
        stdout().print(plugin.state, style=style, end="")
        unmet = unmet_requirements(plugin.distribution)
        needs = f" (needs {'; '.join(unmet)})" if unmet else ""
        stdout().print(f"  {plugin.reason or ', '.join(contents)}{needs}")


@plugins_app.command("show")
def show(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A plugin such as essentials, a component such as lstm, a model such as linux-small, or a file such "
            "as my_cell.py.",
        ),
    ],
    traceback: Annotated[bool, typer.Option("--traceback", help="Print the traceback of a broken plugin.")] = False,
) -> None:
    """Show the options of a component, the card of a model, or the components of a plugin and its faults.

    [bold]Examples[/]

      seqforge plugins show lstm

      seqforge plugins show essentials

      seqforge plugins show linux-small
    """
    if model := context.obj.find_model(name):
        _show_model(model)
        return
    subject = find_subject(context.obj, name)
    for plugin in subject.plugins:
        _show_plugin(subject.registry, plugin, traceback)
    for registration in subject.components:
        _show_component(subject.registry, registration)
    if subject.components and subject.others:
        typer.echo(f"See also: {', '.join(subject.others)}")


def _show_plugin(registry: Registry, plugin: Plugin, traceback: bool) -> None:
    faults = [fault for entry in plugin.registrations if (fault := _fault(registry, entry))]
    state = f"{len(faults)} of {len(plugin.registrations)} components cannot be used" if faults else plugin.state
    typer.echo(f"{plugin.name}: {state}" + (f": {plugin.reason}" if plugin.reason else ""))
    typer.echo(f"  distribution  {plugin.distribution or 'none'} {plugin.version}")
    typer.echo(f"  module        {plugin.module_name or plugin.name}")
    for kind in KINDS:
        entries = [entry for entry in plugin.registrations if entry.kind == kind]
        if entries:
            typer.echo(f"  {kind:<13} {', '.join(entry.name for entry in entries)}")
    if plugin.models:
        typer.echo(f"  {'model':<13} {', '.join(model.name for model in plugin.models)}")
    for fault in faults:
        typer.echo(f"  {fault}")
    if plugin.traceback:
        typer.echo(plugin.traceback if traceback else "  To see the whole error, add --traceback.")


def _show_model(model: PretrainedModel) -> None:
    typer.echo(f"{model.qualified_name}: model")
    typer.echo(f"  folder        {model.folder}")
    card = model.folder / CARD
    if card.exists():
        with reported_failures(f"reading {card}"):
            typer.echo("\n" + printable(read_bounded(card).decode("utf-8", "replace")))


def _fault(registry: Registry, registration: Registration) -> str:
    """Return why a component cannot be used; empty if its class can be imported and its options are valid."""
    from seqforge.registry.options import options_of

    try:
        options_of(registry, registration)
    except PluginError as error:
        return f"{error.message}. {error.hint or ''}".rstrip()
    return ""


def _show_component(registry: Registry, registration: Registration) -> None:
    from seqforge.registry.options import options_of

    component = registry.load(registration)
    options = options_of(registry, registration)
    summary = (inspect.getdoc(component) or "").partition("\n\n")[0].replace("\n", " ")
    typer.echo(f"{registration.qualified_name}: {registration.kind}")
    typer.echo(f"  {summary}")
    typer.echo(f"  plugin        {registration.plugin}")
    if registration.preset_of:
        typer.echo(f"  preset of     {registration.preset_of}")
    target = f"{component.__module__}:{component.__qualname__}" if registration.preset_of else registration.target
    typer.echo(f"  class         {target}")
    typer.echo(f"  names         {', '.join(registry.names_of(registration))}")
    rows = list(describe_options(options, dict(registration.options)))
    typer.echo("  options" if rows else "  options       none")
    width = max((len(name) for name, *_ in rows), default=0)
    for name, kind, default, description in rows:
        typer.echo(f"    {name:<{width}}  {kind}, {_DEFAULTS.get(default) or f'default {default}'}")
        if description:
            typer.echo(f"    {'':<{width}}  {description}")
    quantities: Mapping[str, Quantity] = getattr(component, "quantities", {})
    if quantities:
        typer.echo("  values")
    width = max(map(len, quantities), default=0)
    for name, quantity in quantities.items():
        typer.echo(f"    {name:<{width}}  {quantity.describe()}")


def unmet_requirements(distribution: str) -> list[str]:
    """Return what a distribution needs on this system and does not find, such as "torch>=99, found 2.9"."""
    from packaging.requirements import Requirement

    try:
        texts = metadata.requires(distribution) or [] if distribution else []
    except metadata.PackageNotFoundError:
        return []
    unmet: list[str] = []
    for requirement in map(Requirement, texts):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            wanted = f"{requirement.name}{requirement.specifier}"
            try:
                version = metadata.version(requirement.name)
            except metadata.PackageNotFoundError:
                unmet.append(f"{wanted}, not installed")
                continue
            if not requirement.specifier.contains(version, prereleases=True):
                unmet.append(f"{wanted}, found {version}")
    return unmet


def _as_json(plugin: Plugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "state": plugin.state.value,
        "reason": plugin.reason,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module_name,
        "components": [{"kind": entry.kind, "name": entry.qualified_name} for entry in plugin.registrations],
        "models": [{"name": model.qualified_name, "folder": str(model.folder)} for model in plugin.models],
    }


def describe_options(options: "type[BaseModel]", preset: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the name, the type, the default and the description of each option of a component.

    A default is JSON, "required" or "absent". The values of a preset are its defaults.
    """
    schema = options.model_json_schema()
    for name, option in schema.get("properties", {}).items():
        option |= {"default": preset[name]} if name in preset else {}
        default = json.dumps(option["default"], ensure_ascii=False) if "default" in option else "required"
        default = "absent" if default == "null" else default
        yield name, _type(option, schema.get("$defs", {})), default, option.get("description", "")


_TYPES = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false", "object": "table"}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _type(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return the type of an option in words, from its JSON Schema."""
    if "$ref" in schema:
        return _type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        alternatives = cast("list[dict[str, Any]]", schema["anyOf"])
        return " or ".join(_type(each, definitions) for each in alternatives if each.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if "component" in schema:
        return schema["component"]
    if schema.get("type") == "array" and "component" in schema.get("items", {}):
        return f"list of {KINDS[schema['items']['component']].plural}"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], definitions)}" if "items" in schema else "list"
    if schema.get("format") == "path":
        return "path"
    bounds = " and ".join(f"{sign} {schema[bound]}" for bound, sign in _BOUNDS.items() if bound in schema)
    return f"{_TYPES.get(schema.get('type', ''), 'value')} {bounds}".rstrip()
