"""The reference page describes every component, and its examples are valid. The tables of options are generated."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seqforge.kinds.table import KINDS as REGISTRY_KINDS
from seqforge.registry import Component, Registry, resolve

PAGE = (Path(__file__).parents[3] / "docs/reference/components.md").read_text(encoding="utf-8")
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
"""Kinds of the tables whose name differs from the kind."""


def sections() -> dict[tuple[str, str], str]:
    """Return the section of each component, by kind and name."""
    by_component: dict[tuple[str, str], str] = {}
    for chapter in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        title = chapter.partition("\n")[0]
        for section in re.split(r"^### `", chapter, flags=re.MULTILINE)[1:]:
            by_component[KINDS[title], section.partition("`")[0]] = section
    return by_component


def examples(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the component tables in the TOML of a text, each with its kind."""
    for code in re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL):
        tables = tomllib.loads(code)
        if "model" in tables:
            yield from tables.pop("model").items()
        for name, table in tables.items():
            yield from (
                (KIND_OF_TABLE.get(name, name), entry) for entry in (table if isinstance(table, list) else [table])
            )


SECTIONS = sections()
every_section = pytest.mark.parametrize(("kind", "name"), SECTIONS)


def test_the_page_has_every_component_except_the_cells():
    registered = {
        (kind, registration.name)
        for kind in KINDS.values()
        for registration in REGISTRY.registrations(kind)
        if registration.plugin == "essentials"
    }
    assert set(SECTIONS) == registered


@every_section
def test_the_example_of_a_section_is_valid(kind: str, name: str, tmp_path: Path):
    ((example_kind, table),) = examples(SECTIONS[kind, name])
    assert (example_kind, table["use"]) == (kind, name)
    component = resolve(REGISTRY, kind, table, kind, tmp_path)
    assert isinstance(component, Component), component
    component.build(**dict.fromkeys(REGISTRY_KINDS[kind].supplied, 4))


def test_every_example_of_the_page_is_valid(tmp_path: Path):
    for kind, table in examples(PAGE):
        assert isinstance(resolve(REGISTRY, kind, table, kind, tmp_path), Component)
