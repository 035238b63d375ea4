"""`seqforge plugins new`: the files of a new plugin, from the templates in this package."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from seqforge.cli.terminal import stdout, typed_program, typed_python
from seqforge.errors import PluginError, did_you_mean
from seqforge.kinds.table import INTERFACES, KINDS, Interface, Kind
from seqforge.registry import API_VERSION
from seqforge.registry.discovery import RESERVED_NAMES
from seqforge.registry.hooks import NAME
from seqforge.registry.registry import Registry
from seqforge.storage.files import reported_failures

FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".github/workflows/tests.yml": "workflow.yml",
    "tests/test_example.py": "tests/test_example.py",
}
"""Template of each file outside of the package, except the experiments."""

_TEXT = "the cat sat on the mat, and the rat sat on the cat, and the bat sat on the rat, and the hat sat on the bat"

_DEFAULTS = {
    ("corpus", "text"): f'use = "inline"\ntext = "{_TEXT}"',
    ("corpus", "labelled"): 'use = "digits"',
    ("cell", "text"): 'use = "gru"',
    ("cell", "labelled"): 'use = "gru"',
}
"""Content of the tables that the example needs if the new plugin has no component of the kind."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component of the new plugin.

    Attributes:
        interface: Its interface, whose module and template have the same name.
    """

    name: str
    class_name: str
    kind: Kind
    interface: Interface


def render_plugin(name: str, choices: Sequence[str]) -> dict[str, str]:
    """Return the content of each file of a new plugin with components of the chosen interfaces, by its path.

    A component has the name of the plugin. If two have the same kind, the second one is called
    `NAME-labelled-corpus` or `NAME-prediction-metric`.
    """
    package = f"seqforge_{name.replace('-', '_')}"
    parts: dict[str, Part] = {}
    for choice, (kind, interface) in INTERFACES.items():
        if choice in choices:
            is_second = any(part.kind is kind for part in parts.values())
            class_name = "".join(map(str.capitalize, f"{name}-{choice}".split("-")))
            parts[choice] = Part(f"{name}-{choice}" if is_second else name, class_name, kind, interface)
    import jinja2  # Other commands do not need it.

    # The result is TOML, Python and Markdown, not HTML.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.PackageLoader("seqforge.cli.new_plugin"), undefined=jinja2.StrictUndefined
    )
    common = {
        "name": name,
        "distribution": f"seqforge-{name}",
        "package": package,
        "parts": parts,
        "api_version": API_VERSION,
    }

    def load(template: str, **values: object) -> Any:
        """Return the rendered template, whose attributes are its macros."""
        return environment.get_template(f"{template}.jinja").make_module(common | values)

    def render(template: str, **values: object) -> str:
        return _as_file(load(template, **values))

    # There are two experiments if one cannot use all parts.
    used = {part.interface.data for part in parts.values()}
    names = {"text": "example.toml"} if "text" in used or "labelled" not in used else {}
    names |= {"labelled": "labelled.toml"} if "labelled" in used else {}
    experiments: dict[str, str] = {}
    for data, file in names.items():
        tables = "\n\n".join(_tables(parts, data))
        experiments[file] = render("experiment.toml", file=file, tables=tables, labelled=data == "labelled")
    files = experiments | {path: render(template, experiments=experiments) for path, template in FILES.items()}
    files |= {f"{package}/__init__.py": render("package/__init__.py"), f"{package}/py.typed": ""}
    for part in parts.values():
        module = part.interface.module
        component = load(f"package/{module}.py", part=part)
        # A component whose suite needs more than the class has a test of its own, the macro `test` of its template.
        own_test = getattr(component, "test", None)
        test = own_test() if own_test else load("tests/test_component.py", part=part)
        files |= {f"{package}/{module}.py": _as_file(component), f"tests/test_{module}.py": _as_file(test)}
    return files


def _as_file(text: object) -> str:
    return f"{str(text).strip()}\n"


def _tables(parts: dict[str, Part], data: str) -> Iterator[str]:
    """Yield the tables of an experiment that use the components of a plugin."""
    for kind in KINDS.values():
        own = [part for part in parts.values() if part.kind is kind and part.interface.data in ("any", data)]
        options = f'use = "{own[0].name}"' if own else _DEFAULTS.get((kind.name, data))
        if options is not None and kind.key is not None:
            size = "\nhidden_size = 32" if kind.name == "cell" else ""
            yield f"{kind.table}\n{options}{size}"


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
    check_name(name, [INTERFACES[kind][0].name for kind in kinds], context.obj)
    folder = Path(f"seqforge-{name}")
    if folder.exists():
        raise PluginError(f"{folder} exists already", hint="Choose another name, or remove it.")
    files = render_plugin(name, kinds)
    from seqforge.storage.folders import create_folder  # Other commands do not need pydantic.

    def fill(place: Path) -> None:
        for path, content in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(content, encoding="utf-8")

    with reported_failures(f"writing {folder}"):
        create_folder(folder, fill)
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
            if other.name == name:
                hint = f"Choose another name, such as my-{name}. Yours would be found as {name}/{name} only."
                raise PluginError(f"the {kind} {name!r} exists already, in the plugin {other.plugin!r}", hint=hint)
