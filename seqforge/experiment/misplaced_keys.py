"""Hints for keys that no table has: where in the experiment they belong."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from seqforge.errors import did_you_mean
from seqforge.experiment.settings import SECTIONS
from seqforge.registry import Component, Problem

IN_MODEL = ("cells", "attention", "initializer")
"""Keys of `[model]` that are components."""


def keys_of(section: str) -> list[str]:
    """Return the keys of a section."""
    return [*SECTIONS[section].model_fields, *(IN_MODEL if section == "model" else ())]


def unknown_table(name: str, known: Iterable[str]) -> Problem:
    """Return the problem of a table that no experiment has, which may be a key of a section.

    Args:
        name: Name of the table.
        known: Names of the tables that an experiment may have.
    """
    sections = list(_sections_with(name))
    if sections:
        hint, python_hint = _move(sections)
    else:
        hint = python_hint = did_you_mean(name, known, "`seqforge schema` shows all.")
    return Problem(name, "an experiment has no such table", hint, python_hint)


def with_place(
    problem: Problem,
    components: Mapping[str, Component | None],
    cells: Sequence[Component],
    samplers: Sequence[Component],
) -> Problem:
    """Return the problem of an unknown option with a hint that names the tables that have the option, if any do."""
    name = problem.unknown
    if not name:
        return problem
    places = list(_sections_with(name))
    for kind, component in components.items():
        if component is not None and name in component.options:
            places.append((f"[model.{kind}]" if kind in IN_MODEL else f"[{kind}]", f"the use(…) of the {kind}"))
    for table, kind, parts in (("[[model.cells]]", "cell", cells), ("[[sampler]]", "sampler", samplers)):
        if any(name in part.options for part in parts):
            places.append((table, f"the use(…) of the {kind}"))
    if not places:
        return problem
    hint, python_hint = _move(places)
    return replace(problem, hint=hint, python_hint=python_hint)


def _sections_with(name: str) -> Iterator[tuple[str, str]]:
    """Yield the sections that have a key, each as in a file and as in Python."""
    for section in SECTIONS:
        if name in keys_of(section):
            argument = f"the argument {name} of Experiment" if section == "experiment" else f"{section}={{{name!r}: …}}"
            yield f"[{section}]", argument


def _move(places: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the hint for a file and for Python, from the names of the places in both."""
    in_file, in_python = (" or ".join(names) for names in zip(*places, strict=True))
    return f"Move it to {in_file}.", f"Move it to {in_python}."
