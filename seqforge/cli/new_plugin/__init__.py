"""The files of a new plugin, from the templates in this package."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from seqforge.kinds.table import INTERFACES, KINDS, Interface, Kind
from seqforge.registry import API_VERSION

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
"""Options of the tables that an experiment also has if the plugin has no component of the kind."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component of the new plugin.

    Attributes:
        name: Name of the component.
        class_name: Name of its class.
        kind: Its kind.
        interface: Its interface, whose module and template have the same name.
    """

    name: str
    class_name: str
    kind: Kind
    interface: Interface


def render_plugin(name: str, choices: Sequence[str]) -> dict[str, str]:
    """Return the content of each file of a new plugin, by its path.

    A component has the name of the plugin. If two have the same kind, the second one is called
    `NAME-labelled-corpus` or `NAME-prediction-metric`.

    Args:
        name: Name of the plugin, such as `my-plugin`.
        choices: Names of the interfaces of its components.
    """
    package = f"seqforge_{name.replace('-', '_')}"
    parts: dict[str, Part] = {}
    for choice, (kind, interface) in INTERFACES.items():
        if choice in choices:
            is_second = any(part.kind is kind for part in parts.values())
            class_name = "".join(map(str.capitalize, f"{name}-{choice}".split("-")))
            parts[choice] = Part(f"{name}-{choice}" if is_second else name, class_name, kind, interface)
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

    experiments: dict[str, str] = {}
    for data, file in _experiment_files(parts).items():
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


def _experiment_files(parts: dict[str, Part]) -> dict[str, str]:
    """Return the names of the experiments by the data that they need. There are two if one cannot use all parts."""
    used = {part.interface.data for part in parts.values()}
    files: dict[str, str] = {}
    if "text" in used or "labelled" not in used:
        files["text"] = "example.toml"
    if "labelled" in used:
        files["labelled"] = "labelled.toml"
    return files


def _tables(parts: dict[str, Part], data: str) -> Iterator[str]:
    """Yield the tables of an experiment that use the components of a plugin."""
    for kind in KINDS.values():
        own = [part for part in parts.values() if part.kind is kind and part.interface.data in ("any", data)]
        options = f'use = "{own[0].name}"' if own else _DEFAULTS.get((kind.name, data))
        if options is not None and kind.key is not None:
            size = "\nhidden_size = 32" if kind.name == "cell" else ""
            yield f"{f'[[{kind.key}]]' if kind.many else f'[{kind.key}]'}\n{options}{size}"
