"""The check of a plugin: every component is imported, built with its defaults, and tried by the suite of its kind."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal
from unittest import SkipTest

import torch
from pydantic import BaseModel

from seqforge.api.run import Run
from seqforge.errors import DataError, PluginError, SeqforgeError
from seqforge.faults import author_hint, blame_plugin, plugin_fault
from seqforge.figures import format_milliseconds
from seqforge.kinds import BackendContext
from seqforge.kinds.table import KINDS
from seqforge.model.install_backend import load_backends
from seqforge.model.measure_backends import PREPARATION_SHARE, BatchShape, CellTiming, measure_backends
from seqforge.registry.component import Component
from seqforge.registry.hooks import CARD, PretrainedModel, Registration
from seqforge.registry.options import options_of, parts_of, resolve
from seqforge.registry.registry import Registry
from seqforge.runs.checkpoint_files import is_exported
from seqforge.testing.backend_suite import TOLERANCES, parameter_dtype
from seqforge.testing.cell_case import SMALL
from seqforge.testing.conformance import ConformanceError, name_of
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
    kind = KINDS[component.registration.kind]
    interface = next(one for one in kind.interfaces if issubclass(component.component, one.load()))
    general = getattr(importlib.import_module(kind.suite_module), interface.suite_name)
    if reason := general.only_built:
        component.build()
        return f"built, but not started, because {reason}"
    attributes: dict[str, Any] = {general.table: {component.registration.name: factory_of(component)}}
    if kind.name == "backend":
        attributes = _attributes_of_backend(component, registry)
    elif kind.name == "corpus":
        next(items_of(component.build()), None)  # Without its data, it cannot be tested.
        attributes["limit"] = _DOCUMENTS
    suite: Any = type(general.__name__, (general,), attributes)()
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
    cells = f" with {', '.join(table)}" if kind.name == "backend" else ""
    return f"{passed} tests{cells}"


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
            with suppress(PluginError):
                _ = build(1, unit), build(1, 3 * unit)
                break
        else:
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


STEPS, ROWS, FEATURES = 32, 16, 64
"""Steps, rows and input features of the batch for which a cell is timed."""


Verdict = Literal["right", "wrong", "not tried"]
"""Whether a component works."""


@dataclass(frozen=True, slots=True)
class ComponentReport:
    """The result of the check of a component.

    Attributes:
        kind: Kind of component.
        name: Qualified name.
        verdict: Whether it works.
        finding: What was tried, or what is wrong.
        advice: What to do; empty if there is nothing to do.
    """

    kind: str
    name: str
    verdict: Verdict
    finding: str
    advice: str = ""


def check_component(registry: Registry, registration: Registration, chosen: Mapping[str, Any]) -> ComponentReport:
    """Import a component, check its interface and its options, build it, and test it. Cells are also timed.

    The options that are not chosen have their defaults. A component that needs more options, or whose data is not on
    this machine, is not tried.
    """
    kind, name = registration.kind, registration.qualified_name
    try:
        component = registry.load(registration)
        options = options_of(registry, registration)
        if registration.preset_of:
            if unknown := dict(registration.options).keys() - options.model_fields:
                raise PluginError(f"{registration.target} has no option {min(unknown)!r}")
            return ComponentReport(kind, name, "right", registration.preset_of)
        required = {field: info for field, info in options.model_fields.items() if info.is_required()}
        # A component around another one is tried around the default one.
        parts = {field: KINDS[part.kind].default for field, part in parts_of(options).items() if field in required}
        inner = {field: default for field, default in parts.items() if default}
        chosen = {**inner, **chosen}
        missing = [option for option in required if option not in chosen]
        if missing:
            advice = f"Add the options: {' '.join(f'--set {registration.name}.{option}=VALUE' for option in missing)}"
            finding = f"imported; it has no default for {', '.join(missing)}"
            return ComponentReport(kind, name, "not tried", finding, advice)
        resolved = resolve(registry, kind, {**chosen, "use": name}, "", Path.cwd())
        if not isinstance(resolved, Component):
            defaults = [problem for problem in resolved if problem.key.partition(".")[0] not in chosen]
            # The hint about a default is the advice.
            problems = "; ".join(f"{one.key}: {one.message}" if one in defaults else str(one) for one in resolved)
            advice = author_hint(name) if defaults else "Correct the options that --set gives."
            return ComponentReport(kind, name, "wrong", problems, advice)
        with blame_plugin(kind, name, component, "it fails"):
            finding = try_component(resolved, registry)
            if kind == "cell":
                finding = f"{finding}; {_time_on_backends(resolved, registry)}"
    except DataError as error:
        return ComponentReport(kind, name, "not tried", error.message, error.hint or "")
    except SeqforgeError as error:
        finding = error.message.removeprefix(f"{kind} {name!r}: ").removeprefix(f"{kind} {name!r} ")
        return ComponentReport(kind, name, "wrong", finding, error.hint or _correction(registration))
    return ComponentReport(kind, name, "right", finding, _advise(registry, registration, options))


def _time_on_backends(component: Component, registry: Registry) -> str:
    """Time a cell on every backend.

    Raises:
        PluginError: If a backend that supports the cell fails.
    """
    cell = component.build(input_size=FEATURES)
    context = BackendContext(torch.device("cpu"), torch.float32)
    backends = load_backends(registry)
    batch_shape = BatchShape(STEPS, ROWS, seconds=COMPILATION_SECONDS / PREPARATION_SHARE)
    timing = CellTiming(cell, False, 1, batch_shape, "float32", context)
    measured = measure_backends(timing, backends, registry, cached=False)
    for name, refusal in measured.refused.items():
        if refusal.about != "run" and backends[name].refusal(cell, context) is None:
            raise plugin_fault("cell", component.name, f"on the backend {name}, {refusal.reason}")
    times = sorted(measured.seconds.items(), key=lambda item: item[1])
    shown = ", ".join(f"{name} {format_milliseconds(seconds)}" for name, seconds in times)
    refused = [f"{name}: {why.reason}" for name, why in measured.refused.items() if why.about in ("cell", "run")]
    return "\n".join([f"{STEPS} steps × {ROWS} rows: {shown}", *refused])


def check_model(registry: Registry, model: PretrainedModel) -> ComponentReport:
    """Load a pretrained model, and check that it has a model card."""
    name, advice = model.qualified_name, "Write the folder again: seqforge export RUN FOLDER --replace"
    try:
        run = Run.open(model.folder, registry=registry)
        count = sum(parameter.numel() for parameter in run.model(device="cpu").parameters())
        exported = all(is_exported(run.checkpoints.path(step)) for step in run.checkpoints.steps())
    except SeqforgeError as error:
        return ComponentReport("model", name, "wrong", error.message, advice)
    if not exported:
        return ComponentReport("model", name, "wrong", "its folder contains the state of training", advice)
    if not (model.folder / CARD).exists():
        return ComponentReport("model", name, "wrong", f"it has no model card {CARD}", "Describe the model in it.")
    return ComponentReport("model", name, "right", f"loaded; {count:,} parameters")


def imports_torch(module: str) -> bool:
    """Return whether a module that can be imported here imports torch, which makes every command start slowly."""
    program = (
        f"import importlib, sys; sys.path[:] = {sys.path!r}; importlib.import_module({module!r}); "
        "sys.exit('torch' in sys.modules)"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 1  # noqa: S603


def _correction(registration: Registration) -> str:
    """Return who has to correct a component: probably the author of an installed plugin checks it."""
    hint = author_hint(registration.qualified_name)
    return f"Correct {registration.target}, or r{hint[1:]}" if hint.startswith("Report") else hint


def _advise(registry: Registry, registration: Registration, options: type[BaseModel]) -> str:
    """Return what the author may improve of a component that works: its name, and the descriptions of its options."""
    advice: list[str] = []
    owners = [owner.qualified_name for owner in registry.owners(registration.kind, registration.name)]
    if owners != [registration.qualified_name]:
        others = " and ".join(owner for owner in owners if owner != registration.qualified_name)
        name = registration.qualified_name
        advice.append(f"The name {registration.name!r} is that of {others}: choose another one, or write {name!r}.")
    bare = [name for name, info in options.model_fields.items() if not info.description]
    if bare:
        advice.append(f'Describe {", ".join(bare)}: Annotated[type, Field(description="…")].')
    return " ".join(advice)
