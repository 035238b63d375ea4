"""Every component of the first-party plugins can be loaded and built, and its options have descriptions."""

import itertools
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import torch

from seqforge.kinds import Initializer, Progress, Schedule
from seqforge.kinds.table import KINDS
from seqforge.registry.component import Component
from seqforge.registry.hooks import Registration
from seqforge.registry.options import options_of, resolve
from seqforge.registry.registry import Registry

REGISTRY = Registry.installed()
REGISTRATIONS = [registration for kind in KINDS for registration in REGISTRY.registrations(kind)]
REQUIRED: dict[str, dict[str, Any]] = {
    "essentials/text": {"files": ["*.txt"]},
    "essentials/json-lines": {"files": ["*.jsonl"]},
    "essentials/csv": {"files": ["*.csv"]},
    "essentials/parquet": {"files": ["*.parquet"]},
    "essentials/hugging-face": {"dataset": "name"},
    "essentials/inline": {"text": "hello"},
    "essentials/mixture": {"corpora": [{"use": "inline", "text": "a"}, {"use": "inline", "text": "b"}]},
    "essentials/block": {"cell": {"use": "lstm", "hidden_size": 4}},
    "essentials/zoneout": {"cell": {"use": "gru", "hidden_size": 4}, "probabilities": {"hidden": 0.1}},
    "code-structure/c-characters": {"source": {"use": "inline", "text": "int x;"}},
    "code-syntax/code-syntax": {"language": "python"},
    "formal/formal-task": {"task": "parity"},
}
"""Values of required options."""
SUPPLIED = {"input_size": 3, "query_size": 4, "memory_size": 5}
"""Arguments that the engine passes."""

every_registration = pytest.mark.parametrize(
    "registration", REGISTRATIONS, ids=lambda registration: f"{registration.kind} {registration.qualified_name}"
)


def test_every_plugin_of_this_repository_is_installed() -> None:
    folders = {path.name for path in (Path(__file__).parents[2] / "plugins").iterdir() if path.is_dir()}
    assert {plugin.name for plugin in REGISTRY.plugins} >= folders
    assert {registration.kind for registration in REGISTRATIONS} == set(KINDS)


@every_registration
def test_every_option_has_a_description(registration: Registration) -> None:
    options = options_of(REGISTRY, registration)
    for name, field in options.model_fields.items():
        assert field.description, f"{name} has no description"
        assert field.description.endswith("."), f"{name}: the description has no full stop"
    assert options.model_json_schema()


@every_registration
def test_a_component_is_built_from_its_name_and_required_options(registration: Registration, tmp_path: Path) -> None:
    options = options_of(REGISTRY, registration)
    values = REQUIRED.get(registration.qualified_name, {})
    required = {name for name, field in options.model_fields.items() if field.is_required()}
    assert set(values) >= required - set(dict(registration.options))
    table = {"use": registration.qualified_name, **values}
    component = resolve(REGISTRY, registration.kind, table, "key", tmp_path)
    assert isinstance(component, Component), component
    built = component.build(**{name: SUPPLIED[name] for name in KINDS[registration.kind].supplied})
    assert isinstance(built, REGISTRY.load(registration))
    # The table that a run stores resolves to the same component, in any folder.
    again = resolve(REGISTRY, registration.kind, component.table, "key", tmp_path / "elsewhere")
    assert isinstance(again, Component)
    assert (again.table, again.options) == (component.table, component.options)


@every_registration
def test_an_extreme_number_is_refused_or_does_not_fail_later(registration: Registration, tmp_path: Path) -> None:
    options = options_of(REGISTRY, registration)
    required = REQUIRED.get(registration.qualified_name, {})
    names = [name for name, field in options.model_fields.items() if field.annotation is float]
    for name, number in itertools.product(names, (1e300, 5e-324, -1e300)):
        table = {"use": registration.qualified_name, **required, name: number}
        component = resolve(REGISTRY, registration.kind, table, "key", tmp_path)
        if isinstance(component, Component):
            built = component.build(**{name: SUPPLIED[name] for name in KINDS[registration.kind].supplied})
            if isinstance(built, Initializer):
                built.initialize("recurrent_weight", torch.zeros(4, 2))
            if isinstance(built, Schedule):
                assert 0 <= built.factor(Progress(3, 0.5, 0.25)) <= 1


def test_the_entry_modules_import_neither_torch_nor_numpy() -> None:
    modules = [point.module for point in entry_points(group="seqforge.plugins")]
    assert len(modules) >= len({registration.plugin for registration in REGISTRATIONS})
    code = "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, *modules], check=True)
