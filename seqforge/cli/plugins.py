"""`seqforge plugins list` and `seqforge plugins show`."""

import json
from typing import Annotated

import typer

from seqforge.cli.terminal import stdout
from seqforge.errors import PluginError, did_you_mean
from seqforge.registry import KINDS, Plugin, PluginState, Registration, Registry

plugins_app = typer.Typer(help="See which plugins are installed, and what they bring.", no_args_is_help=True)

STYLES = {PluginState.OK: "green", PluginState.DISABLED: "dim"}


@plugins_app.command("list")
def list_plugins(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List every installed plugin, and whether it can be used."""
    registry: Registry = context.obj
    if as_json:
        typer.echo(json.dumps([_described(plugin) for plugin in registry.plugins], indent=2))
        return
    if not registry.plugins:
        typer.echo("No plugin is installed. The first-party ones: pip install -r plugins/requirements.txt")
        return
    width = max(len(plugin.name) for plugin in registry.plugins)
    for plugin in registry.plugins:
        style = STYLES.get(plugin.state, "red")
        counts = (len([found for found in plugin.registrations if found.kind == kind]) for kind in KINDS)
        brings = ", ".join(
            f"{count} {_plural(kind, count)}" for kind, count in zip(KINDS, counts, strict=True) if count
        )
        detail = plugin.reason or brings
        stdout().print(f"{plugin.name:<{width}}  {plugin.version:<8} ", end="")
        stdout().print(plugin.state, style=style, end="")
        stdout().print(f"  {detail}")


@plugins_app.command("show")
def show_plugin(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The plugin's name.")],
    traceback: Annotated[bool, typer.Option("--traceback", help="Show why it is broken, in full.")] = False,
) -> None:
    """Show what a plugin brings, and where from; or why it cannot be used."""
    registry: Registry = context.obj
    matches = [plugin for plugin in registry.plugins if plugin.name == name]
    if not matches:
        names = [plugin.name for plugin in registry.plugins]
        raise PluginError(f"no plugin is called {name!r}", hint=did_you_mean(name, names))
    for plugin in matches:
        typer.echo(f"{plugin.name}: {plugin.state}" + (f": {plugin.reason}" if plugin.reason else ""))
        typer.echo(f"  distribution  {plugin.distribution or 'unknown'} {plugin.version}")
        typer.echo(f"  module        {plugin.module_name}")
        for kind in KINDS:
            names = [_shown(found) for found in plugin.registrations if found.kind == kind]
            if names:
                typer.echo(f"  {kind:<13} {', '.join(names)}")
        if plugin.traceback:
            typer.echo(plugin.traceback if traceback else "  (--traceback shows why in full)")


def _plural(kind: str, count: int) -> str:
    plurals = {"corpus": "corpora", "vocabulary": "vocabularies", "loss": "losses"}
    return kind if count == 1 else plurals.get(kind, f"{kind}s")


def _shown(registration: Registration) -> str:
    return registration.qualified_name if registration.qualified_only else registration.name


def _described(plugin: Plugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "state": plugin.state.value,
        "reason": plugin.reason,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module_name,
        "components": [
            {"kind": found.kind, "name": found.qualified_name, "qualified_only": found.qualified_only}
            for found in plugin.registrations
        ],
    }
