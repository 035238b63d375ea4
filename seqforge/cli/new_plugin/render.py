"""The files of a new plugin, from the templates in this package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from seqforge.registry import API_VERSION


@dataclass(frozen=True, slots=True)
class Template:
    """A component of which a new plugin can have one.

    Attributes:
        kind: Kind of component.
        suite: Conformance suite of the component.
        table: Attribute of the suite that lists components.
        labelled: Whether the component is for labelled examples, and not for streams of text.
    """

    kind: str
    suite: str
    table: str
    labelled: bool = False


TEMPLATES = {
    "cell": Template("cell", "CellSuite", "cells"),
    "corpus": Template("corpus", "CorpusSuite", "corpora"),
    "labelled-corpus": Template("corpus", "CorpusSuite", "corpora", labelled=True),
    "vocabulary": Template("vocabulary", "VocabularySuite", "vocabularies"),
    "loss": Template("loss", "LossSuite", "losses"),
    "optimizer": Template("optimizer", "OptimizerSuite", "optimizers"),
    "schedule": Template("schedule", "ScheduleSuite", "schedules"),
    "sampler": Template("sampler", "SamplerSuite", "samplers"),
    "metric": Template("metric", "MetricSuite", "metrics"),
    "prediction-metric": Template("metric", "PredictionMetricSuite", "metrics", labelled=True),
    "initializer": Template("initializer", "InitializerSuite", "initializers"),
    "attention": Template("attention", "AttentionSuite", "attentions"),
    "backend": Template("backend", "BackendSuite", ""),
    "tracker": Template("tracker", "TrackerSuite", "trackers"),
}
"""What `seqforge plugins new` offers, by the names of its options."""

FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".github/workflows/tests.yml": "workflow.yml",
    "tests/test_example.py": "tests/test_example.py",
}
"""Template of each file outside of the package, except the experiments."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component of the new plugin.

    Attributes:
        name: Name of the component.
        module: Name of its module in the package.
        class_name: Name of its class.
        template: What it is.
    """

    name: str
    module: str
    class_name: str
    template: Template


def render_plugin(name: str, choices: Sequence[str]) -> dict[str, str]:
    """Return the content of each file of a new plugin, by its path.

    A component has the name of the plugin. If two have the same kind, the second one is called
    `NAME-labelled-corpus` or `NAME-prediction-metric`.

    Args:
        name: Name of the plugin, such as `my-plugin`.
        choices: Names of the templates of its components.
    """
    package = f"seqforge_{name.replace('-', '_')}"
    parts: dict[str, Part] = {}
    for choice, template in TEMPLATES.items():
        if choice in choices:
            is_second = any(part.template.kind == template.kind for part in parts.values())
            own_name = f"{name}-{choice}" if is_second else name
            parts[choice] = Part(own_name, choice.replace("-", "_"), _camel(f"{name}-{choice}"), template)
    values = {
        "name": name,
        "distribution": f"seqforge-{name}",
        "package": package,
        "parts": parts,
        "api_version": API_VERSION,
    }
    experiments = _experiments(values)
    files = experiments | {path: _render(name, **values, experiments=experiments) for path, name in FILES.items()}
    files |= {f"{package}/__init__.py": _render("package/__init__.py", **values), f"{package}/py.typed": ""}
    for part in parts.values():
        files[f"{package}/{part.module}.py"] = _render(f"package/{part.module}.py", **values, part=part)
        files[f"tests/test_{part.module}.py"] = _render("tests/test_component.py", **values, part=part)
    return files


def _experiments(values: Mapping[str, Any]) -> dict[str, str]:
    """Return an experiment for text, one for labelled examples, or both, if the components do not fit into one."""
    parts: dict[str, Part] = values["parts"]
    labelled = any(part.template.labelled for part in parts.values())
    files: dict[str, str] = {}
    if not labelled or {"corpus", "sampler", "metric"} & parts.keys():
        choices = {"file": "example.toml", "labelled": False, "corpus": "corpus", "metric": "metric"}
        files["example.toml"] = _render("experiment.toml", **values, **choices)
    if labelled:
        choices = {"labelled": True, "corpus": "labelled-corpus", "metric": "prediction-metric"}
        files["labelled.toml"] = _render("experiment.toml", **values, file="labelled.toml", **choices)
    return files


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _render(template: str, **values: object) -> str:
    # The result is TOML, Python and Markdown, not HTML.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.PackageLoader("seqforge.cli.new_plugin"),
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(f"{template}.jinja").render(values).rstrip("\n") + "\n"
