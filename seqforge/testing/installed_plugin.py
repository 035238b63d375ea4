"""The suites on the components of installed plugins, for `pytest --seqforge-plugin NAME`."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from seqforge.registry import Plugin, Registry
from seqforge.testing.component_trial import suite_of, with_defaults


def suites_of(names: Sequence[str]) -> dict[str, type[Any]]:
    """Return a test class for each kind of component of installed plugins, and one for each of their backends."""
    registry = Registry.installed()
    found: dict[str, type[Any]] = {}
    for plugin in registry.plugins:
        if plugin.name in names:
            found |= _suites_of_plugin(registry, plugin)
    return found


def _suites_of_plugin(registry: Registry, plugin: Plugin) -> dict[str, type[Any]]:
    prefix = f"Test{_camel(plugin.name)}"
    classes: dict[str, type[Any]] = {}
    problems: dict[str, str] = {}
    for registration in plugin.registrations:
        if registration.preset_of:
            continue  # A preset has no class of its own.
        component = with_defaults(registry, registration)
        if isinstance(component, str):
            problems[f"{registration.kind} {registration.name}"] = component
            continue
        suite: Any = suite_of(component, registry)
        if not getattr(suite, suite.table):
            reason = "needs another machine or other cells: it runs none of the installed cells here"
            problems[f"backend {registration.name}"] = reason
            continue
        own = f"{_camel(registration.name)}Backend" if registration.kind == "backend" else suite.__name__
        name = f"{prefix}{own.removesuffix('Suite')}"
        table = getattr(classes.get(name), suite.table, {}) | getattr(suite, suite.table)
        classes[name] = type(name, (suite,), {suite.table: table})
    if problems:
        classes[f"{prefix}Components"] = type(f"{prefix}Components", (_Unbuilt,), {"problems": problems})
    return classes


class _Unbuilt:
    """Components that the suites cannot build, with the reason: skipped if options are missing, otherwise failed."""

    problems: Mapping[str, str] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        metafunc.parametrize("reason", list(self.problems.values()), ids=list(self.problems))

    def test_can_be_built(self, reason: str) -> None:
        (pytest.skip if reason.startswith("needs ") else pytest.fail)(reason)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))
