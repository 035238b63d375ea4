"""The check of a plugin: one report for each component."""

import enum
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqforge.api.plugin_check.cells import try_backend, try_cell
from seqforge.api.plugin_check.data import try_corpus, try_metric
from seqforge.api.plugin_check.training import try_sampler
from seqforge.api.run import Run
from seqforge.errors import DataError, SeqforgeError
from seqforge.faults import author_hint, blame_plugin
from seqforge.kinds.table import KINDS
from seqforge.registry import CARD, Component, Options, PretrainedModel, Registration, Registry, options_of, resolve
from seqforge.runs.checkpoint_files import is_exported

_TRIALS = {
    "backend": try_backend,
    "cell": try_cell,
    "corpus": try_corpus,
    "metric": try_metric,
    "sampler": try_sampler,
}


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
    """Import a component, check its interface and its options, build it, and try it once.

    A component that needs more options, or whose data is not on this machine, is not tried.

    Args:
        registry: Registered components.
        registration: The component.
        chosen: Options to build it with, as in an experiment file; the others have their defaults.
    """
    kind, name = registration.kind, registration.qualified_name
    try:
        component = registry.load(registration)
        options = options_of(component, kind, name)
        if registration.backends:
            return _check_preset(registry, registration)
        required = [field for field, info in options.model.model_fields.items() if info.is_required()]
        required += [option for option, nested in options.nested.items() if nested.required]
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
            if kind in _TRIALS:
                finding = _TRIALS[kind](resolved, registry)
            else:
                finding = KINDS[kind].interfaces[0].import_module().trial(resolved.build)
    except DataError as error:
        return ComponentReport(kind, name, Verdict.NOT_TRIED, error.message, error.hint or "")
    except SeqforgeError as error:
        finding = error.message.removeprefix(f"{kind} {name!r}: ").removeprefix(f"{kind} {name!r} ")
        return ComponentReport(kind, name, Verdict.WRONG, finding, error.hint or author_hint(name))
    return ComponentReport(kind, name, Verdict.RIGHT, finding, _advise(options))


def check_model(registry: Registry, model: PretrainedModel) -> ComponentReport:
    """Load a pretrained model, and check that it has a model card.

    Args:
        registry: Registered components.
        model: The model.
    """
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
    for backend in preset.backends:
        registry.load(registry.find("backend", backend))
    finding = f"{preset.target} on the backend {' or '.join(preset.backends)}"
    return ComponentReport(preset.kind, preset.qualified_name, Verdict.RIGHT, finding)


def _advise(options: Options) -> str:
    fields = {name: info.description for name, info in options.model.model_fields.items()}
    fields |= {name: option.description for name, option in options.nested.items()}
    bare = [name for name, description in fields.items() if not description]
    if not bare:
        return ""
    return f'Describe {", ".join(bare)}: Annotated[type, Field(description="…")].'
