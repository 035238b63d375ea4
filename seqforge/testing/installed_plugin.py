"""The suites on the components of installed plugins, for `pytest --seqforge-plugin NAME`."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
import torch

from seqforge import testing
from seqforge.errors import SeqforgeError
from seqforge.kinds import Backend, BackendContext
from seqforge.kinds.backend_contract import TOLERANCES, parameter_dtype
from seqforge.kinds.table import KINDS
from seqforge.registry import Plugin, Registration, Registry, options_of
from seqforge.testing.each_case import SMALL


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
    tables: dict[str, dict[str, Any]] = {}
    classes: dict[str, type[Any]] = {}
    problems: dict[str, str] = {}
    for registration in plugin.registrations:
        if registration.preset_of:
            continue  # A preset has no class of its own.
        name = f"{registration.kind} {registration.name}"
        component = _load(registry, registration, problems, name)
        if component is None:
            continue
        suite = KINDS[registration.kind].interface_of(component).suite_name
        if registration.kind != "backend":
            tables.setdefault(suite, {})[registration.name] = factory_of(registration, component)
        elif (attributes := _backend_attributes(registry, component))["cells"]:
            class_name = f"{prefix}{_camel(registration.name)}Backend"
            classes[class_name] = type(class_name, (testing.BackendSuite,), attributes)
        else:
            problems[name] = "needs another machine or other cells: it runs none of the installed cells here"
    for name, table in tables.items():
        class_name, suite = f"{prefix}{name.removesuffix('Suite')}", getattr(testing, name)
        classes[class_name] = type(class_name, (suite,), {suite.table: table})
    if problems:
        class_name = f"{prefix}Components"
        classes[class_name] = type(class_name, (_Unbuilt,), {"problems": problems})
    return classes


class _Unbuilt:
    """Components that the suites cannot build, with the reason: skipped if options are missing, otherwise failed."""

    problems: Mapping[str, str] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        metafunc.parametrize("reason", list(self.problems.values()), ids=list(self.problems))

    def test_can_be_built(self, reason: str) -> None:
        (pytest.skip if reason.startswith("needs ") else pytest.fail)(reason)


def _load(registry: Registry, registration: Registration, problems: dict[str, str], name: str) -> type[Any] | None:
    """Return the class of a component that can be built without options, or None after noting the problem."""
    try:
        component = registry.load(registration)
        options = options_of(component, registration.kind, registration.qualified_name)
    except SeqforgeError as error:
        problems[name] = error.message
        return None
    required = [option for option, field in options.model_fields.items() if field.is_required()]
    if required:
        values = ", ".join(f"{option}=…" for option in required)
        problems[name] = (
            f"needs options: write a test with the suite of its kind and partial({component.__name__}, {values})"
        )
        return None
    return component


def factory_of(registration: Registration, component: type[Any]) -> Callable[..., Any]:
    """Return the class, or for a cell that does not support all sizes a function that rounds them up."""
    if registration.kind != "cell":
        return component
    if "hidden_size" not in inspect.signature(component.__init__).parameters:
        return partial(_build_cell, component)
    for unit in (1, 2, 4, 8, 16, 32, 64):
        try:
            _ = component(1, unit), component(1, 3 * unit)
        except ValueError:
            continue
        return component if unit == 1 else partial(_build_rounded_cell, component, unit)
    return component


def _backend_attributes(registry: Registry, backend: type[Backend]) -> dict[str, Any]:
    """Return the attributes of a suite for a backend, with the installed cells and the types that it runs here."""
    device = "cuda" if "cpu" not in (backend.device_types or ("cpu",)) and torch.cuda.is_available() else "cpu"
    cells: dict[str, Callable[..., Any]] = {}
    dtypes: list[torch.dtype] = []
    for dtype in TOLERANCES:
        context = BackendContext(torch.device(device), dtype)
        for name, make_cell in _cells(registry):
            if backend().refusal(make_cell(3, 4).to(device, parameter_dtype(dtype)), context) is None:
                cells[name] = make_cell
                dtypes += [dtype] if dtype not in dtypes else []
    return {"backend": backend, "cells": cells, "dtypes": dtypes, "device": device, "sizes": SMALL[:1]}


def _build_rounded_cell(component: type[Any], unit: int, input_size: int, hidden_size: int) -> Any:
    return component(input_size, -(-hidden_size // unit) * unit)


def _build_cell(component: type[Any], input_size: int, _: int) -> Any:
    return component(input_size)


def _cells(registry: Registry) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every installed cell that can be built without options."""
    for registration in registry.registrations("cell"):
        if not registration.backends:
            component = _load(registry, registration, {}, registration.name)
            if component is not None:
                yield registration.qualified_name, factory_of(registration, component)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))
