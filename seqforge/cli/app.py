"""The typer application: the commands of seqforge, and those of plugins."""

import inspect as python_inspect
import re
from collections.abc import Sequence
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_name, get_group, solve_typer_info_defaults

import seqforge
from seqforge.cli.cache import cache_app
from seqforge.cli.check import check, schema
from seqforge.cli.compare import compare
from seqforge.cli.doctor import doctor
from seqforge.cli.evaluate import evaluate
from seqforge.cli.export import export, import_
from seqforge.cli.inspect import inspect
from seqforge.cli.options import complete_key
from seqforge.cli.plugins import plugins_app
from seqforge.cli.predict import predict
from seqforge.cli.report import report, watch
from seqforge.cli.run import run
from seqforge.cli.runs import runs
from seqforge.cli.sample import sample
from seqforge.cli.terminal import print_error
from seqforge.errors import nearest
from seqforge.registry.registry import Registry


class _WithoutTypesOfFlags:
    """The help of a command shows no type for a flag."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, with those of the help."""
        parameters: Sequence[Any] = cast("Any", super()).get_params(ctx)
        for parameter in parameters:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return parameters


class Command(_WithoutTypesOfFlags, TyperCommand):
    """A command of seqforge or of a plugin."""


class Group(_WithoutTypesOfFlags, TyperGroup):
    """A group of commands."""


def report_usage(error: typer.TyperException) -> None:
    """Print a mistake in a command line, with the nearest option or the key of the experiment that it may mean.

    Its message is empty if the help was printed instead.
    """
    context: Any = getattr(error, "ctx", None)
    message = re.sub("Value error, |Input (?=should)|, unable to parse .*", "", error.format_message()).rstrip(".")
    if not message:
        return
    hint = ""
    if context is not None:
        if option := re.match(r"No such option: (--[\w-]+)", message):
            message, hint = option[0], _propose(option[1], context)
        hint = f"{hint} See {context.command_path} --help.".lstrip()
    print_error(message, hint=hint)


_DEVICES = {"--gpu": "cuda", "--cuda": "cuda", "--cpu": "cpu"}


def _propose(option: str, context: Any) -> str:
    """Return what an unknown option may mean: a device, a key of the experiment, or the nearest option."""
    names = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
    if option in _DEVICES and not {"--device", "--set"}.isdisjoint(names):
        key = "--device " if "--device" in names else "--set training.device="
        return f"A GPU is used if there is one. To choose the device: {key}{_DEVICES[option]}."
    if "--set" in names:
        wanted = option.removeprefix("--").replace("-", "_")
        for key in complete_key():
            if key.partition(".")[2] == wanted:
                return f"To set this key of the experiment: --set {key}=…."
    match = nearest(option, names)
    return f"Did you mean {match}?" if match else ""


WRITE_PLUGINS, MAINTAIN, OF_PLUGINS = "Write experiments and plugins", "Maintain", "Commands of plugins"

PANELS = {
    "Train": (run, watch),
    "Use a model": (sample, predict, evaluate, inspect, export, import_),
    "See and compare runs": (runs, report, compare),
    WRITE_PLUGINS: (check, schema),
    MAINTAIN: (doctor,),
}
"""The commands in the order of the help, by the heading above them."""


def build_app(registry: Registry) -> typer.Typer:
    """Return the application with all commands. A command finds the registry in `context.obj`."""
    app = typer.Typer(
        name="seqforge",
        help="Compose recurrent sequence models from plugins, train them, sample them and measure their errors.",
        epilog="Start with: seqforge run experiments/first-run.toml",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def common(  # pyright: ignore[reportUnusedFunction]
        context: typer.Context,
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
        ] = False,
    ) -> None:
        context.obj = registry

    for panel, commands in PANELS.items():
        for command in commands:
            app.command(command.__name__.rstrip("_"), rich_help_panel=panel)(command)  # `import_` is `import`
    app.add_typer(plugins_app, name="plugins", rich_help_panel=WRITE_PLUGINS)
    app.add_typer(cache_app, name="cache", rich_help_panel=MAINTAIN)
    for alias, command in (("train", run), ("generate", sample)):
        app.command(alias, hidden=True)(command)
    _add_plugins_commands(app, registry)
    _format_help(app)
    return app


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"seqforge {seqforge.__version__}")
        raise typer.Exit


def _add_plugins_commands(app: typer.Typer, registry: Registry) -> None:
    for implementation in registry.new_hooks().hook.seqforge_add_commands.get_hookimpls():
        taken = {one.name for one in (*app.registered_commands, *app.registered_groups)}
        # The plugin adds its commands to an application of its own, so that it can neither replace nor remove others.
        added = typer.Typer()
        try:
            implementation.function(added)
            get_group(added)  # raises an error if a command has an argument of an unsupported type
            for one in added.registered_commands:
                one.name = one.name or get_command_name(one.callback.__name__ if one.callback else "")
            for one in added.registered_groups:
                one.name = solve_typer_info_defaults(one).name
        except Exception as error:  # noqa: BLE001 - a broken plugin must not disable the other commands
            name = implementation.plugin_name
            print_error(
                f"the plugin {name!r} could not add its commands: {type(error).__name__}: {error}",
                hint=f"Report this to the author of the plugin {name!r}.",
                kind="warning",
            )
            continue
        for one in (*added.registered_commands, *added.registered_groups):
            if one.name in taken:
                print_error(
                    f"the plugin {implementation.plugin_name!r} adds a command {one.name!r}, which exists already",
                    hint="This command of the plugin is skipped.",
                    kind="warning",
                )
            one.rich_help_panel = one.rich_help_panel if isinstance(one.rich_help_panel, str) else OF_PLUGINS
        app.registered_commands += [one for one in added.registered_commands if one.name not in taken]
        app.registered_groups += [one for one in added.registered_groups if one.name not in taken]


def _format_help(app: typer.Typer) -> None:
    """Join the lines of each paragraph of a docstring, which typer breaks there, and hide the types of flags."""
    app.info.cls = Group
    for command in app.registered_commands:
        paragraphs = (command.help or python_inspect.getdoc(command.callback) or "").split("\n\n")
        command.help = "\n\n".join(
            paragraph if paragraph.startswith(" ") else " ".join(paragraph.split("\n")) for paragraph in paragraphs
        )
        command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _format_help(group.typer_instance)
