"""Hints for keys that no table has: where in the experiment they belong."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from seqforge.kinds.table import KINDS
from seqforge.registry import Problem


def with_place(
    problem: Problem, sections: Mapping[str, Collection[str]], options: Mapping[str, Collection[str]]
) -> Problem:
    """Return the problem of an unknown key with a hint that names the tables that have it, if any do.

    Args:
        problem: A problem of any sort.
        sections: Keys of each table of settings, by name of the table.
        options: Options of the components that the experiment uses, by kind.
    """
    name = problem.unknown
    places = [(f"[{section}]", f"{section}={{{name!r}: …}}") for section, keys in sections.items() if name in keys]
    kinds = [kind for kind in KINDS.values() if name in options.get(kind.name, ())]
    places += [
        (f"[[{kind.key}]]" if kind.many else f"[{kind.key}]", f"the use(…) of the {kind.name}") for kind in kinds
    ]
    if not name or not places:
        return problem
    in_file, in_python = (" or ".join(names) for names in zip(*places, strict=True))
    return replace(problem, hint=f"Move it to {in_file}.", python_hint=f"Move it to {in_python}.")
