"""Every registered component can be loaded and built, and its options have descriptions."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seqforge.registry import KINDS, Component, Registration, Registry, options_of, resolve

REGISTRY = Registry.installed()
REGISTRATIONS = [
    registration
    for kind in KINDS
    for registration in REGISTRY.registrations(kind)
    if registration.plugin == "essentials"
]
REQUIRED: dict[str, dict[str, Any]] = {"corpus/text": {"files": ["*.txt"]}, "corpus/inline": {"text": "hello"}}
"""Values of required options."""
SUPPLIED = {"input_size": 3, "query_size": 4, "memory_size": 5}
"""Arguments that the engine passes."""


def identifier(registration: Registration) -> str:
    return f"{registration.kind}/{registration.name}"


every_registration = pytest.mark.parametrize("registration", REGISTRATIONS, ids=identifier)


def test_every_kind_except_backends_and_trackers_has_a_component():
    assert {registration.kind for registration in REGISTRATIONS} == set(KINDS) - {"backend", "tracker"}


@every_registration
def test_every_option_has_a_description(registration: Registration):
    options = options_of(REGISTRY.load(registration), registration.kind, registration.qualified_name)
    for name, field in options.model.model_fields.items():
        assert field.description, f"{name} has no description"
        assert field.description.endswith("."), f"{name}: the description has no full stop"
    for name, nested in options.nested.items():
        assert nested.description, f"{name} has no description"
    assert options.model.model_json_schema()


@every_registration
def test_a_component_is_built_from_its_name_and_required_options(registration: Registration, tmp_path: Path):
    options = options_of(REGISTRY.load(registration), registration.kind, registration.qualified_name)
    required = {name for name, field in options.model.model_fields.items() if field.is_required()}
    values = REQUIRED.get(identifier(registration), {})
    assert set(values) == required
    component = resolve(REGISTRY, registration.kind, {"use": registration.name, **values}, "key", tmp_path)
    assert isinstance(component, Component), component
    built = component.build(**{name: SUPPLIED[name] for name in KINDS[registration.kind].supplied})
    assert isinstance(built, REGISTRY.load(registration))


@every_registration
def test_a_resolved_table_resolves_to_itself(registration: Registration, tmp_path: Path):
    table = {"use": registration.name, **REQUIRED.get(identifier(registration), {})}
    once = resolve(REGISTRY, registration.kind, table, "key", tmp_path)
    assert isinstance(once, Component)
    again = resolve(REGISTRY, registration.kind, once.table, "key", tmp_path / "elsewhere")
    assert isinstance(again, Component)
    assert again.table == once.table
    assert again.options == once.options


def test_the_entry_module_imports_no_torch():
    code = "import sys, seqforge_essentials; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
