"""Fixtures: plugins of a single test, as entry points of modules in a temporary folder."""

import itertools
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from seqforge.registry.discovery import GROUP, Plugin, PluginState
from seqforge.registry.hooks import Registration
from seqforge.registry.registry import Registry

_NUMBERS = itertools.count()

MakeModule = Callable[[str], str]
MakeEntry = Callable[..., EntryPoint]
MakeRegistry = Callable[..., Registry]


@pytest.fixture
def make_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeModule]:
    """Write a module that can be imported, and return its name."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    names: list[str] = []

    def make(source: str) -> str:
        name = f"made_for_a_test_{next(_NUMBERS)}"
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        names.append(name)
        return name

    yield make
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def make_entry(make_module: MakeModule) -> MakeEntry:
    """Write the module of a plugin, and return its entry point."""

    def make(source: str, name: str = "sample") -> EntryPoint:
        return EntryPoint(name=name, value=make_module(source), group=GROUP)

    return make


@pytest.fixture(scope="session")
def make_registry() -> MakeRegistry:
    """Make a registry of one plugin from a table of `kind/name` and target of its components."""

    def make(components: dict[str, str], plugin: str = "sample") -> Registry:
        parts = [(*key.split("/"), target) for key, target in components.items()]
        registrations = tuple(Registration(kind, plugin, name, target) for kind, name, target in parts)
        return Registry([Plugin(plugin, "module", "distribution", "1.0", PluginState.OK, registrations=registrations)])

    return make
