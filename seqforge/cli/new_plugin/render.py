"""The files of a new plugin, from the templates in this package."""

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2

from seqforge.registry import API_VERSION

SUITES = {
    "cell": ("CellSuite", "cells"),
    "corpus": ("CorpusSuite", "corpora"),
    "vocabulary": ("VocabularySuite", "vocabularies"),
    "loss": ("LossSuite", "losses"),
    "optimizer": ("OptimizerSuite", "optimizers"),
    "schedule": ("ScheduleSuite", "schedules"),
    "sampler": ("SamplerSuite", "samplers"),
    "metric": ("MetricSuite", "metrics"),
    "initializer": ("InitializerSuite", "initializers"),
    "attention": ("AttentionSuite", "attentions"),
    "backend": ("BackendSuite", ""),
}
"""Conformance suite of each kind, and the attribute of the suite that lists the components."""

FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "example.toml": "example.toml",
    ".gitignore": "gitignore",
    ".github/workflows/tests.yml": "workflow.yml",
    "tests/test_example.py": "tests/test_example.py",
}
"""Template of each file outside of the package."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component of the new plugin.

    Attributes:
        kind: Kind of component, also the name of its module.
        class_name: Name of its class.
        suite: Conformance suite of its kind.
        table: Attribute of the suite that lists components.
    """

    kind: str
    class_name: str
    suite: str
    table: str


def render_plugin(name: str, kinds: Sequence[str]) -> dict[str, str]:
    """Return the content of each file of a new plugin, by its path.

    Args:
        name: Name of the plugin and of its components, such as `my-plugin`.
        kinds: Kinds of component that it has.
    """
    package = f"seqforge_{name.replace('-', '_')}"
    prefix = "".join(word.capitalize() for word in name.split("-"))
    parts = [Part(kind, f"{prefix}{kind.capitalize()}", *SUITES[kind]) for kind in SUITES if kind in kinds]
    values = {
        "name": name,
        "distribution": f"seqforge-{name}",
        "package": package,
        "kinds": kinds,
        "parts": parts,
        "api_version": API_VERSION,
    }
    files = {path: _render(template, **values) for path, template in FILES.items()}
    files |= {f"{package}/__init__.py": _render("package/__init__.py", **values), f"{package}/py.typed": ""}
    for part in parts:
        files[f"{package}/{part.kind}.py"] = _render(f"package/{part.kind}.py", **values, part=part)
        files[f"tests/test_{part.kind}.py"] = _render("tests/test_component.py", **values, part=part)
    return files


def render_component(kind: str, class_name: str) -> str:
    """Return the module of a component, with another name for its class."""
    return _render(f"package/{kind}.py", part=Part(kind, class_name, *SUITES[kind]))


def _render(template: str, **values: object) -> str:
    # The result is TOML, Python and Markdown, not HTML.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.PackageLoader("seqforge.cli.new_plugin"),
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(f"{template}.jinja").render(values).rstrip("\n") + "\n"
