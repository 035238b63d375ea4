"""`seqforge plugins check`, and the search for what its argument names."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqforge.cli.terminal import stderr, stdout
from seqforge.errors import PluginError, did_you_mean, printable, quote_path
from seqforge.faults import FILE_SUFFIX
from seqforge.kinds.table import KINDS
from seqforge.registry import with_plugin_file
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import Registration
from seqforge.registry.registry import SHOW_COMPONENTS, Registry

if TYPE_CHECKING:
    from seqforge.testing.plugin_check import ComponentReport

MARKS = {"right": ("✓", "green"), "wrong": ("✗", "red"), "not tried": ("–", "yellow")}


@dataclass(frozen=True, slots=True)
class Subject:
    """What the argument of a command names.

    Attributes:
        registry: Registry with the plugins.
        plugins: Plugins of this name or path.
        components: Components of this name, or those of the file.
        others: Qualified names of other components with the same short name.
    """

    registry: Registry
    plugins: list[Plugin]
    components: list[Registration]
    others: list[str]


def find_subject(registry: Registry, name: str) -> Subject:
    """Find a plugin or a component by its name, or those of a single file.

    Raises:
        PluginError: If there is none.
    """
    path = Path(name)
    if path.suffix == FILE_SUFFIX:
        registry = with_plugin_file(registry, path)
        plugin = registry.plugins[-1]
        return Subject(registry, [plugin], list(plugin.registrations), [])
    plugins = [plugin for plugin in registry.plugins if plugin.name == name]
    entries = [entry for kind in KINDS for entry in registry.registrations(kind)]
    components = [entry for entry in entries if name in registry.names_of(entry)]
    components = components or [entry for entry in entries if name == entry.name]
    if not plugins and not components:
        names = {each.name for each in (*registry.plugins, *registry.models)}
        names |= {entry.qualified_name if "/" in name else entry.name for entry in entries}
        hint = _hint_of_kind_or_folder(registry, name) or did_you_mean(name, names, SHOW_COMPONENTS)
        raise PluginError(f"no plugin or component is called {name!r}", hint=hint)
    others = [entry.qualified_name for entry in entries if entry.name == name and entry not in components]
    return Subject(registry, plugins, components, others)


def _hint_of_kind_or_folder(registry: Registry, name: str) -> str:
    """Return a hint if a text is the name of a kind of components, or of a plugin in a folder that is not installed."""
    for kind in KINDS.values():
        if name in (kind.name, kind.plural):
            return f"It is a kind of components: {', '.join(registry.names(kind.name))}. Name one of them."
    folders = [folder for folder in (Path(name), Path(f"seqforge-{name}")) if (folder / "pyproject.toml").is_file()]
    return f"To install the plugin in this folder: pip install -e {quote_path(folders[0])}" if folders else ""


def check_plugins(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help="A plugin, a component, or a file such as my_cell.py."),
    ],
    assignments: Annotated[
        list[str],
        typer.Option("--set", metavar="COMPONENT.OPTION=VALUE", help="Set an option of a component. Repeatable."),
    ] = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Import, build and test every component of a plugin, and show which work, which do not, and what to do.

    The check builds each component with its defaults, and runs the tests of the conformance suite of its kind on it. It
    times cells on every backend, and loads each model. The exit status is 1 if anything is wrong.

    [bold]Examples[/]

      seqforge plugins check my-plugin

      seqforge plugins check my_corpus.py --set my-corpus.file=notes.txt
    """
    from seqforge.experiment.tables import override

    subject = find_subject(context.obj, name)
    entries = [entry for plugin in subject.plugins for entry in plugin.registrations]
    if not subject.plugins:
        entries = subject.components
    width = max((len(entry.qualified_name) for entry in entries), default=len(name))
    options = override({}, assignments)
    names = [entry.name for entry in entries]
    for component, values in options.items():
        if not isinstance(values, dict):
            raise PluginError(f"--set {component}: names no option", hint="Write COMPONENT.OPTION=VALUE.")
        if component not in names:
            raise PluginError(f"--set: {name} has no component {component!r}", hint=did_you_mean(component, names))
    reports: list[ComponentReport] = []
    for report in _reports(subject, entries, options):
        reports.append(report)
        if not as_json:
            _print_report(report, width)
    counts = {verdict: sum(report.verdict == verdict for report in reports) for verdict in MARKS}
    if as_json:
        typer.echo(json.dumps([asdict(report) for report in reports], indent=2))
    else:
        stdout().print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if counts["wrong"]:
        raise typer.Exit(1)


def _reports(subject: Subject, entries: list[Registration], options: dict[str, Any]) -> Iterator["ComponentReport"]:
    from seqforge.testing.plugin_check import ComponentReport, check_component, check_model, imports_torch

    for plugin in subject.plugins:
        if plugin.state is not PluginState.OK:
            advice = f"See `seqforge plugins show {plugin.name} --traceback`." if plugin.traceback else ""
            yield ComponentReport("plugin", plugin.name, "wrong", f"{plugin.state}: {plugin.reason}", advice)
        elif not plugin.registrations and not plugin.models:
            advice = "List them in a table COMPONENTS of the entry module if the plugin has some."
            yield ComponentReport("plugin", plugin.name, "right", "it registers no component", advice)
        elif plugin.module_name and imports_torch(plugin.module_name):
            advice = "Import torch in the modules of the components only."
            finding = f"its entry module {plugin.module_name} imports torch, so every command starts slowly"
            yield ComponentReport("plugin", plugin.name, "wrong", finding, advice)
    for model in (model for plugin in subject.plugins for model in plugin.models):
        yield check_model(subject.registry, model)
    for entry in entries:
        with stderr().status(f"trying {entry.kind} {entry.qualified_name}"):
            report = check_component(subject.registry, entry, options.get(entry.name, {}))
        yield report


def _print_report(report: "ComponentReport", width: int) -> None:
    mark, style = MARKS[report.verdict]
    first, *more = printable(report.finding).splitlines() or [""]
    stdout().print(mark, style=style, end=" ")
    stdout().print(f"{report.kind:<11}  {report.name:<{width}}  {first}")
    indent = " " * (width + 17)
    for line in more:
        stdout().print(f"{indent}{line}")
    if report.advice:
        stdout().print(f"{indent}{printable(report.advice)}", style="yellow")
