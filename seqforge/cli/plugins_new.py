"""`seqforge plugins new`."""

import re
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from seqforge.cli.terminal import stdout, typed_program, typed_python
from seqforge.errors import PluginError
from seqforge.registry import Registry
from seqforge.registry.discovery import RESERVED_NAMES
from seqforge.registry.register import NAME
from seqforge.storage.files import reported_failures


def _kind(name: str, description: str) -> object:
    return typer.Option(f"--{name}", help=description, show_default=False, rich_help_panel="Components")


def new_plugin(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the plugin: lower-case words joined by hyphens.")
    ],
    cell: Annotated[bool, _kind("cell", "A recurrent cell. The default if no kind is given.")] = False,
    corpus: Annotated[bool, _kind("corpus", "A corpus of text.")] = False,
    labelled_corpus: Annotated[bool, _kind("labelled-corpus", "A corpus of labelled examples.")] = False,
    vocabulary: Annotated[bool, _kind("vocabulary", "A vocabulary.")] = False,
    loss: Annotated[bool, _kind("loss", "A loss.")] = False,
    optimizer: Annotated[bool, _kind("optimizer", "An optimizer.")] = False,
    schedule: Annotated[bool, _kind("schedule", "A learning rate schedule.")] = False,
    sampler: Annotated[bool, _kind("sampler", "A sampler.")] = False,
    metric: Annotated[bool, _kind("metric", "A metric of generated text.")] = False,
    prediction_metric: Annotated[bool, _kind("prediction-metric", "A metric of predictions of examples.")] = False,
    initializer: Annotated[bool, _kind("initializer", "An initializer.")] = False,
    attention: Annotated[bool, _kind("attention", "An attention.")] = False,
    backend: Annotated[bool, _kind("backend", "A backend.")] = False,
    tracker: Annotated[bool, _kind("tracker", "A tracker, which receives the values of a run.")] = False,
) -> None:
    """Create a package with one working component of each kind, their tests, and an experiment.

    The package is created in the folder seqforge-NAME. It passes its tests as it is.

    [bold]Examples[/]

      seqforge plugins new clockwork

      seqforge plugins new my-project --corpus --metric --sampler
    """
    chosen = {
        "cell": cell, "corpus": corpus, "labelled-corpus": labelled_corpus, "vocabulary": vocabulary, "loss": loss,
        "optimizer": optimizer, "schedule": schedule, "sampler": sampler, "metric": metric,
        "prediction-metric": prediction_metric, "initializer": initializer, "attention": attention, "backend": backend,
        "tracker": tracker,
    }  # fmt: skip
    choices = [choice for choice, is_chosen in chosen.items() if is_chosen] or ["cell"]
    from seqforge.cli.new_plugin import TEMPLATES, render_plugin

    check_name(name, [TEMPLATES[choice].kind for choice in choices], context.obj)
    folder = Path(f"seqforge-{name}")
    if folder.exists():
        raise PluginError(f"{folder} exists already", hint="Choose another name, or remove it.")
    files = render_plugin(name, choices)
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
                hint = f"Choose another name, such as my-{name}. A name of two plugins works only as plugin/name."
                raise PluginError(f"the {kind} {name!r} exists already, in the plugin {other.plugin!r}", hint=hint)
