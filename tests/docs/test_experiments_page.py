"""The page on experiment files has every key of every section, with its default."""

import json
import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from seqforge.experiment.experiment import Experiment
from seqforge.experiment.settings import DEFAULT_STEPS, Section

PAGE = (Path(__file__).parents[2] / "docs/reference/experiments.md").read_text("utf-8")
FIELDS = {field.alias or name: field.annotation for name, field in Experiment.model_fields.items()}
SECTIONS = {name: kind for name, kind in FIELDS.items() if isinstance(kind, type) and issubclass(kind, Section)}
COMPONENTS = {"attention", "cells", "initializer"}
"""Keys of `[model]` that are components."""
IN_WORDS = {
    "experiment.name": "the name of the file",
    "model.topology": "derived",
    "training.steps": f"{DEFAULT_STEPS} steps",
    "training.epochs": f"{DEFAULT_STEPS} steps",
    "training.minutes": f"{DEFAULT_STEPS} steps",
}
"""Defaults that depend on other settings."""


def documented_defaults(section: str) -> dict[str, str]:
    """Return the defaults that the page shows for the keys of a section."""
    _, heading, rest = PAGE.partition(f"### `[{section}]`")
    assert heading
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|", re.split(r"^##", rest, flags=re.MULTILINE)[0], re.M)
    return {name: default for names, default in rows for name in re.findall(r"\w+", names)}


def shown(field: FieldInfo) -> str:
    """Return a default as the page shows it."""
    if field.default is None:
        return "absent"
    text = json.dumps(field.default)
    return f"`{text}`" if isinstance(field.default, str) else text


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_has_every_key_with_its_default(section: str) -> None:
    fields = SECTIONS[section].model_fields
    expected = {
        name: IN_WORDS.get(f"{section}.{name}") or shown(field)
        for name, field in fields.items()
        if name not in COMPONENTS
    }
    documented = {
        name: default.replace(",", "")
        for name, default in documented_defaults(section).items()
        if name not in COMPONENTS
    }
    assert documented == expected
