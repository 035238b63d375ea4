"""The reference page says what the components are, and its examples work."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seqforge.registry import KINDS as REGISTRY_KINDS
from seqforge.registry import Component, Registry, options_of, resolve

PAGE = (Path(__file__).parents[3] / "docs" / "components.md").read_text(encoding="utf-8")
REGISTRY = Registry.installed()
KINDS = {
    "Corpora": "corpus",
    "Vocabularies": "vocabulary",
    "Initializers": "initializer",
    "Attentions": "attention",
    "Losses": "loss",
    "Optimizers": "optimizer",
    "Schedules": "schedule",
    "Samplers": "sampler",
    "Metrics": "metric",
}
KIND_OF_TABLE = {"metrics": "metric"}
"""A table is called what its kind is, but for this one."""


def sections() -> dict[tuple[str, str], str]:
    """Each component's part of the page, by kind and name."""
    found: dict[tuple[str, str], str] = {}
    for chapter in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        title = chapter.partition("\n")[0]
        for section in re.split(r"^### `", chapter, flags=re.MULTILINE)[1:]:
            found[KINDS[title], section.partition("`")[0]] = section
    return found


def examples(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The components that the text's TOML chooses, each with its kind."""
    for code in re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL):
        tables = tomllib.loads(code)
        if "model" in tables:
            yield from tables.pop("model").items()
        for name, table in tables.items():
            yield from (
                (KIND_OF_TABLE.get(name, name), each) for each in (table if isinstance(table, list) else [table])
            )


SECTIONS = sections()
every_section = pytest.mark.parametrize(("kind", "name"), SECTIONS)


def test_the_page_has_every_component_but_the_cells():
    registered = {
        (kind, found.name)
        for kind in KINDS.values()
        for found in REGISTRY.registrations(kind)
        if found.plugin == "essentials"
    }
    assert set(SECTIONS) == registered


@every_section
def test_its_table_has_every_option_with_its_default(kind: str, name: str):
    registration = REGISTRY.find(kind, f"essentials/{name}")
    model = options_of(REGISTRY.load(registration), kind, registration.qualified_name).model
    rows = re.findall(r"^\| `(\w+)` \| `?([^|]+?)`? \|", SECTIONS[kind, name], flags=re.MULTILINE)
    documented = {option: "required" if default == "required" else json.loads(default) for option, default in rows}
    defaults = {
        option: "required" if field.is_required() else json.loads(json.dumps(field.default))
        for option, field in model.model_fields.items()
    }
    assert documented == defaults


@every_section
def test_its_example_is_right(kind: str, name: str, tmp_path: Path):
    chosen = list(examples(SECTIONS[kind, name]))
    assert [(of, table["use"]) for of, table in chosen] == [(kind, name)]
    for of, table in chosen:
        component = resolve(REGISTRY, of, table, of, tmp_path)
        assert isinstance(component, Component), component
        component.build(**dict.fromkeys(REGISTRY_KINDS[of].supplied, 4))


def test_every_example_is_right(tmp_path: Path):
    for kind, table in examples(PAGE):
        assert isinstance(resolve(REGISTRY, kind, table, kind, tmp_path), Component)
