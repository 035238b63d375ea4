"""Hints for keys that no table has: where in the experiment they belong."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from seqforge.experiment.settings import SECTIONS
from seqforge.registry import Component, Problem

IN_MODEL = ("cells", "attention", "initializer")
"""Keys of `[model]` that are components."""


def keys_of(section: str) -> list[str]:
    """Return the keys of a section."""
    return [*SECTIONS[section].model_fields, *(IN_MODEL if section == "model" else ())]


def with_place(
    problem: Problem,
    components: Mapping[str, Component | None],
    cells: Sequence[Component],
    samplers: Sequence[Component],
) -> Problem:
    """Return the problem of an unknown option or table with a hint that names the tables that have it, if any do."""
    name = problem.unknown
    if not name:
        return problem
    places: list[tuple[str, str]] = []
    for section in SECTIONS:
        if name in keys_of(section):
            argument = f"the argument {name} of Experiment" if section == "experiment" else f"{section}={{{name!r}: …}}"
            places.append((f"[{section}]", argument))
    for kind, component in components.items():
        if component is not None and name in component.options:
            places.append((f"[model.{kind}]" if kind in IN_MODEL else f"[{kind}]", f"the use(…) of the {kind}"))
    for table, kind, parts in (("[[model.cells]]", "cell", cells), ("[[sampler]]", "sampler", samplers)):
        if any(name in part.options for part in parts):
            places.append((table, f"the use(…) of the {kind}"))
    if not places:
        return problem
    in_file, in_python = (" or ".join(names) for names in zip(*places, strict=True))
    return replace(problem, hint=f"Move it to {in_file}.", python_hint=f"Move it to {in_python}.")
