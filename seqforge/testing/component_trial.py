"""The trial of a component by the suite of its kind."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import SkipTest

import torch

from seqforge.errors import DataError, PluginError
from seqforge.kinds import BackendContext
from seqforge.kinds.table import KINDS
from seqforge.registry.component import Component
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry
from seqforge.testing.backend_suite import TOLERANCES, parameter_dtype
from seqforge.testing.cell_case import SMALL
from seqforge.testing.conformance import ConformanceError, Suite, name_of
from seqforge.testing.corpus_suite import items_of

COMPILATION_SECONDS = 30.0
"""Longest compilation with which a backend is tried or timed."""

_DOCUMENTS = 20
"""Number of documents of a corpus that are read."""


def try_component(component: Component, registry: Registry) -> str:
    """Run the tests of the suite of its kind on a component, and return what was tried.

    It is only built if its suite says why.

    Raises:
        PluginError: If a test fails, with the sentence of the suite.
        DataError: If the data of a corpus is not on this machine, or no installed cell runs on a backend.
    """
    kind = component.registration.kind
    if reason := _general_suite(component).only_built:
        component.build()
        return f"built, but not started, because {reason}"
    if kind == "corpus":
        next(items_of(component.build()), None)  # Without its data, it cannot be tested.
    suite: Any = suite_of(component, registry)()
    parents = reversed(type(suite).__mro__)  # the order in which pytest runs the tests
    tests = [name for parent in parents for name in vars(parent) if name.startswith("test_")]
    table = getattr(suite, suite.table)
    if not table:
        raise DataError("imported and built; it supports none of the installed cells on this machine")
    passed = 0
    for name in tests:
        test = getattr(suite, name)
        taken = inspect.signature(test).parameters
        for make in table.values() if "make" in taken else (None,):
            arguments = {"make": make, "dtype": next(iter(getattr(suite, "dtypes", ())), None)}
            try:
                test(**{key: value for key, value in arguments.items() if key in taken})
                passed += 1
            except SkipTest:
                continue
            except ConformanceError as error:
                raise PluginError(str(error).removeprefix(f"{name_of(make)}: ")) from None
    cells = f" with {', '.join(table)}" if kind == "backend" else ""
    return f"{passed} tests{cells}"


def suite_of(component: Component, registry: Registry) -> type[Suite]:
    """Return the suite of the kind of a component, which lists the component."""
    suite = _general_suite(component)
    attributes: dict[str, Any] = {suite.table: {component.registration.name: factory_of(component)}}
    if component.registration.kind == "backend":
        attributes = _attributes_of_backend(component, registry)
    elif component.registration.kind == "corpus":
        attributes["limit"] = _DOCUMENTS
    return type(suite.__name__, (suite,), attributes)


def _general_suite(component: Component) -> type[Suite]:
    """Return the suite of the interface from which a component derives."""
    kind = KINDS[component.registration.kind]
    return getattr(importlib.import_module(kind.suite_module), kind.interface_of(component.component).suite_name)


def factory_of(component: Component) -> Callable[..., Any]:
    """Return a function that builds a component, for the table of its suite.

    It receives the sizes that the engine passes. If a cell does not support all hidden sizes, it rounds them up.
    """
    kind = component.registration.kind
    if kind == "corpus":  # Its suite reads the options, for the example spec.
        parts = component.options.items()
        options = {name: part.build() if isinstance(part, Component) else part for name, part in parts}
        return partial(component.component, **options)
    unit = 1

    def build(*sizes: int) -> Any:
        one = component
        if kind == "cell" and "hidden_size" in component.options:
            one = replace(component, options={**component.options, "hidden_size": -(-sizes[1] // unit) * unit})
        return one.build(**dict(zip(KINDS[kind].supplied, sizes, strict=False)))

    build.__name__ = component.component.__name__
    if kind == "cell":
        for unit in (1, 2, 4, 8, 16, 32, 64):
            try:
                _ = build(1, unit), build(1, 3 * unit)
            except PluginError:
                continue
            return build
        unit = 1
    return build


def _attributes_of_backend(backend: Component, registry: Registry) -> dict[str, Any]:
    """Return the attributes of a suite for a backend, with the installed cells and the types that it runs here."""
    instance = backend.build()
    device = "cuda" if "cpu" not in (instance.device_types or ("cpu",)) and torch.cuda.is_available() else "cpu"
    cells: dict[str, Callable[..., Any]] = {}
    dtypes: list[torch.dtype] = []
    for name, make_cell in _cells(registry):
        for dtype in TOLERANCES:
            context = BackendContext(torch.device(device), dtype)
            cell = make_cell(3, 4).to(device, parameter_dtype(dtype))
            if (
                instance.refusal(cell, context) is None
                and instance.preparation_seconds(cell, context) <= COMPILATION_SECONDS
            ):
                cells[name] = make_cell
                dtypes += [dtype] if dtype not in dtypes else []
    return {"backend": backend.component, "cells": cells, "dtypes": dtypes, "device": device, "sizes": SMALL[:1]}


def _cells(registry: Registry) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every installed cell that can be built without options."""
    for registration in registry.registrations("cell"):
        try:
            found = resolve(registry, "cell", {"use": registration.qualified_name}, "", Path.cwd())
        except PluginError:  # Another cell has its own report.
            continue
        if isinstance(found, Component):
            yield registration.qualified_name, factory_of(found)
