"""`seqforge plugins new`."""

import re
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from seqforge.cli.terminal import stdout, typed_program, typed_python
from seqforge.errors import PluginError, did_you_mean
from seqforge.kinds.table import INTERFACES
from seqforge.registry import Registry
from seqforge.registry.discovery import RESERVED_NAMES
from seqforge.registry.register import NAME
from seqforge.storage.files import reported_failures


def new_plugin(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the plugin: lower-case words joined by hyphens.")
    ],
    kinds: Annotated[
        list[str], typer.Argument(metavar="[KIND]...", help=f"Kinds of component: {', '.join(INTERFACES)}.")
    ] = ["cell"],
) -> None:
    """Create a package with one working component of each kind, their tests, and an experiment.

    The package is created in the folder seqforge-NAME. It passes its tests as it is.

    [bold]Examples[/]

      seqforge plugins new clockwork

      seqforge plugins new my-project corpus metric sampler
    """
    for kind in kinds:
        if kind not in INTERFACES:
            hint = did_you_mean(kind, list(INTERFACES))
            raise PluginError(f"no kind of component is called {kind!r}", hint=hint)
    from seqforge.cli.new_plugin import render_plugin

    check_name(name, [INTERFACES[kind][0].name for kind in kinds], context.obj)
    folder = Path(f"seqforge-{name}")
    if folder.exists():
        raise PluginError(f"{folder} exists already", hint="Choose another name, or remove it.")
    files = render_plugin(name, kinds)
    with (
        reported_failures(f"writing {folder}"),
        tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".seqforge-") as place,
    ):
        for path, content in files.items():
            (Path(place) / folder / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(place) / folder / path).write_text(content, encoding="utf-8")
        (Path(place) / folder).rename(folder)
    stdout().print(f"Created {folder} with {len(files)} files. Next:")
    python = typed_python()
    for command in (f'{python} -m pip install -e "{folder}[test]"', f"{python} -m pytest {folder}"):
        stdout().print(f"  {command}")
    stdout().print(f"  {typed_program()} plugins check {name}")


def check_name(name: str, kinds: list[str], registry: Registry) -> None:
    """Check the name of a new plugin.

    Raises:
        PluginError: If it is malformed or reserved, or an installed plugin or component already has it.
    """
    if not NAME.fullmatch(name):
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "-", name).strip("-0123456789").lower()
        raise PluginError(
            f"{name!r} is not a name for a plugin: write lower-case words joined by hyphens",
            hint=f"For example: {words}." if NAME.fullmatch(words) else "For example: my-plugin.",
        )
    if name.startswith("seqforge-"):
        short = name.removeprefix("seqforge-")
        raise PluginError(
            f"{name!r}: the name of a plugin does not begin with seqforge",
            hint=f"Write {short}. Its package is called seqforge-{short}.",
        )
    if name in RESERVED_NAMES:
        raise PluginError(f"the name {name!r} is reserved", hint="Choose another name.")
    if any(plugin.name == name for plugin in registry.plugins):
        raise PluginError(f"a plugin called {name!r} is installed already", hint="Choose another name.")
    for kind in kinds:
        for other in registry.registrations(kind):
            if other.name == name and not other.qualified_only:
                hint = f"Choose another name, such as my-{name}. Yours would be found as {name}/{name} only."
                raise PluginError(f"the {kind} {name!r} exists already, in the plugin {other.plugin!r}", hint=hint)
