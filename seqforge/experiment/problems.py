"""The message about the problems of an experiment. An unknown key gets a hint that names where it belongs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from seqforge.errors import ExperimentError, did_you_mean
from seqforge.experiment.settings import Section
from seqforge.kinds.table import KINDS
from seqforge.registry import SHOW_COMPONENTS, Problem
from seqforge.registry.problems import from_validation


def problems_of(
    error: ValidationError, tables: Mapping[str, Any], experiment: type[BaseModel], context: Mapping[str, Any]
) -> list[Problem]:
    """Return every problem in the errors of pydantic, with its key and a hint.

    Args:
        error: Errors of pydantic.
        tables: The tables that were validated.
        experiment: The model of an experiment.
        context: Context of the validation; see `Part`.
    """
    fields = {field.alias or name: field.annotation for name, field in experiment.model_fields.items()}
    keys = {
        name: [*kind.model_fields]
        for name, kind in fields.items()
        if isinstance(kind, type) and issubclass(kind, Section)
    }
    names = did_you_mean("", context["registry"].names("corpus"), SHOW_COMPONENTS)
    hints = {
        kind.key: (f"Write {kind.table} above each table.", 'Write a list, such as [use("NAME")].')
        for kind in KINDS.values()
        if kind.key and kind.many
    }
    hints["corpus"] = (
        f'Add [corpus] with use = "NAME", or --corpus NAME. {names}',
        f'Add corpus=use("NAME"). {names}',
    )
    return [
        _with_place(problem, keys, context["owners"])
        for problem in from_validation(error, tables, "", [*fields], "an experiment", hints)
    ]


def explain(problems: Sequence[Problem], origin: Path | str | None) -> ExperimentError:
    """Return an error that lists every problem.

    Args:
        problems: The problems; at least one.
        origin: Place of the problems; None for tables that were written in Python.
    """
    place = "the experiment" if origin is None else str(origin)
    lines = [problem.describe(in_python=origin is None) for problem in problems]
    if len(lines) == 1:
        return ExperimentError(f"{place}: {lines[0]}")
    return ExperimentError("\n".join([f"{place}: {len(lines)} problems", *(f"  {line}" for line in lines)]))


def _with_place(
    problem: Problem, keys: Mapping[str, Collection[str]], options: Mapping[str, Collection[str]]
) -> Problem:
    """Return the problem of an unknown key with a hint that names the tables that have it, if any do.

    Args:
        problem: A problem of any sort.
        keys: Keys of each table of settings, by name of the table.
        options: Options of the components that the experiment uses, by kind.
    """
    name = problem.unknown
    places = [(f"[{table}]", f"{table}={{{name!r}: …}}") for table, known in keys.items() if name in known]
    kinds = [kind for kind in KINDS.values() if name in options.get(kind.name, ())]
    places += [(kind.table, f"the use(…) of the {kind.name}") for kind in kinds]
    if not name or not places:
        return problem
    in_file, in_python = (" or ".join(names) for names in zip(*places, strict=True))
    return replace(problem, hint=f"Move it to {in_file}.", python_hint=f"Move it to {in_python}.")
