"""The check of a plugin: every component is imported, built with its defaults, and tested."""

import enum
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from seqforge.registry.options import Part, options_of, resolve
from seqforge.registry.registry import Registry
from seqforge.runs.checkpoint_files import is_exported
from seqforge.testing.component_trial import COMPILATION_SECONDS, try_component

STEPS, ROWS, FEATURES = 32, 16, 64
"""Steps, rows and input features of the batch for which a cell is timed."""


class Verdict(enum.StrEnum):
    """Whether a component works."""

    RIGHT = "right"
    WRONG = "wrong"
    NOT_TRIED = "not tried"


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
        options = options_of(component, kind, name)
        if registration.preset_of:
            return _check_preset(registry, registration)
        required = {field: info for field, info in options.model_fields.items() if info.is_required()}
        # A component around another one is tried around the default one.
        parts = {field: each for field, info in required.items() for each in info.metadata if isinstance(each, Part)}
        inner = {field: KINDS[part.kind].default for field, part in parts.items() if KINDS[part.kind].default}
        chosen = {**inner, **chosen}
        missing = [option for option in required if option not in chosen]
        if missing:
            advice = f"Add the options: {' '.join(f'--set {registration.name}.{option}=VALUE' for option in missing)}"
            finding = f"imported; it has no default for {', '.join(missing)}"
            return ComponentReport(kind, name, Verdict.NOT_TRIED, finding, advice)
        resolved = resolve(registry, kind, {**chosen, "use": name}, "", Path.cwd())
        if not isinstance(resolved, Component):
            defaults = [problem for problem in resolved if problem.key.partition(".")[0] not in chosen]
            # The hint about a default is the advice.
            problems = "; ".join(f"{one.key}: {one.message}" if one in defaults else str(one) for one in resolved)
            advice = author_hint(name) if defaults else "Correct the options that --set gives."
            return ComponentReport(kind, name, Verdict.WRONG, problems, advice)
        with blame_plugin(kind, name, component, "it fails"):
            finding = try_component(resolved, registry)
            if kind == "cell":
                finding = f"{finding}; {_time_on_backends(resolved, registry)}"
    except DataError as error:
        return ComponentReport(kind, name, Verdict.NOT_TRIED, error.message, error.hint or "")
    except SeqforgeError as error:
        finding = error.message.removeprefix(f"{kind} {name!r}: ").removeprefix(f"{kind} {name!r} ")
        return ComponentReport(kind, name, Verdict.WRONG, finding, error.hint or _correction(registration))
    return ComponentReport(kind, name, Verdict.RIGHT, finding, _advise(registry, registration, options))


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
        return ComponentReport("model", name, Verdict.WRONG, error.message, advice)
    if not exported:
        return ComponentReport("model", name, Verdict.WRONG, "its folder contains the state of training", advice)
    if not (model.folder / CARD).exists():
        return ComponentReport(
            "model", name, Verdict.WRONG, f"it has no model card {CARD}", "Describe the model in it."
        )
    return ComponentReport("model", name, Verdict.RIGHT, f"loaded; {count:,} parameters")


def imports_torch(module: str) -> bool:
    """Return whether a module that can be imported here imports torch, which makes every command start slowly."""
    program = (
        f"import importlib, sys; sys.path[:] = {sys.path!r}; importlib.import_module({module!r}); "
        "sys.exit('torch' in sys.modules)"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 1  # noqa: S603


def _check_preset(registry: Registry, preset: Registration) -> ComponentReport:
    unknown = dict(preset.options).keys() - options_of(registry.load(preset), preset.kind, preset.target).model_fields
    if unknown:
        raise PluginError(f"{preset.target} has no option {min(unknown)!r}")
    return ComponentReport(preset.kind, preset.qualified_name, Verdict.RIGHT, preset.preset_of)


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
