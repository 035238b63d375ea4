"""The reference page describes every component, and its examples are valid. The tables of options are generated."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seqforge.kinds.table import KINDS as REGISTRY_KINDS
from seqforge.registry.component import Component
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry

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


def rows() -> set[tuple[str, str]]:
    """Return the kind and the name of each component in the tables."""
    found: set[tuple[str, str]] = set()
    for chapter in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        names = re.findall(r"^\| `([^`]+)` \|", chapter, flags=re.MULTILINE)
        found |= {(KINDS[chapter.partition("\n")[0]], name) for name in names}
    return found


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


EXAMPLES = list(examples(PAGE))


def test_the_page_has_every_component_except_the_cells():
    registered = {
        (kind, registration.name)
        for kind in KINDS.values()
        for registration in REGISTRY.registrations(kind)
        if registration.plugin == "essentials"
    }
    assert rows() == registered


def test_every_kind_has_an_example():
    assert {kind for kind, _ in EXAMPLES} == set(KINDS.values())


@pytest.mark.parametrize(("kind", "table"), EXAMPLES)
def test_every_example_of_the_page_is_valid(kind: str, table: dict[str, Any], tmp_path: Path):
    component = resolve(REGISTRY, kind, table, kind, tmp_path)
    assert isinstance(component, Component), component
    component.build(**dict.fromkeys(REGISTRY_KINDS[kind].supplied, 4))
