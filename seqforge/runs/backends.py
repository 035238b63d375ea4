"""The backends that a run's cells were trained on, and its precision: `backends.json` of a run directory."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from seqforge.checksums import parse_sealed_json, to_sealed_json
from seqforge.errors import RunError
from seqforge.files import describe_failure, read_bounded, reported_failures, write_atomically
from seqforge.model import EAGER, CellBackend, Precision

BACKENDS = "backends.json"
VERSION = 2


def record_backends(folder: Path, choices: Iterable[CellBackend], precision: Precision) -> None:
    """Write the backend of each cell and the precision, so that a resumed run uses them and stays bit-identical.

    Args:
        folder: Run directory.
        choices: Backend of each cell.
        precision: Precision of the products.

    Raises:
        RunError: If the file cannot be written.
    """
    cells = {choice.module: choice.backend for choice in choices}
    table = {"version": VERSION, "cells": cells, "precision": precision}
    with reported_failures(f"writing {folder / BACKENDS}"):
        write_atomically(folder / BACKENDS, to_sealed_json(table))


def read_backends(folder: Path) -> Mapping[str, str]:
    """Return the backend of each cell by its module's name.

    Args:
        folder: Run directory.

    Raises:
        RunError: If the file is missing, damaged, of an unknown version, or cannot be read.
    """
    return dict(_read(folder)["cells"])


def read_precision(folder: Path) -> Precision:
    """Return the precision in which a run was trained.

    Args:
        folder: Run directory.

    Raises:
        RunError: As in `read_backends`.
    """
    return _read(folder)["precision"]


def _read(folder: Path) -> dict[str, Any]:
    path = folder / BACKENDS
    try:
        table = parse_sealed_json(read_bounded(path))
        if table["version"] != VERSION:
            raise ValueError(f"version {table['version']}; this program reads version {VERSION}")
        if not all(isinstance(name, str) for pair in table["cells"].items() for name in pair):
            raise ValueError("a backend is not text")
        if table["precision"] not in get_args(Precision):
            raise ValueError("the precision is unknown")
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path}: missing or damaged: {error}",
            hint=f"To choose the backends again: seqforge run --resume {folder} --set training.backend=auto. "
            "The results may then differ.",
        ) from error
    except OSError as error:
        raise describe_failure(error, f"reading {path}") from error
    return table


def describe_backends(choices: Iterable[CellBackend]) -> tuple[str, ...]:
    """Return lines that say which backend runs each cell, how fast it is, and why a faster kind does not run it.

    Args:
        choices: Backend of each cell. Cells with the same line share it.
    """
    modules: dict[str, list[str]] = {}
    for choice in choices:
        modules.setdefault(_describe(choice), []).append(choice.module)
    return tuple(f"{', '.join(names)}: {line}" for line, names in modules.items())


def _describe(choice: CellBackend) -> str:
    times = sorted((seconds, name) for name, seconds in choice.seconds.items() if seconds > 0)
    shown = [f"{name} {1000 * seconds:.3g} ms" for seconds, name in times if name != choice.backend]
    own = choice.seconds.get(choice.backend, 0.0)
    line = f"{choice.cell} on {choice.backend}" + (f", {1000 * own:.3g} ms per batch" if own else "")
    if shown:
        line += f" ({', '.join(shown)})"
    if choice.seconds_by_precision:
        each = (f"{name} {1000 * seconds:.3g} ms" for name, seconds in choice.seconds_by_precision.items())
        line += f"; precision: {', '.join(each)}"
    names: dict[str, list[str]] = {}
    for name, refusal in choice.refused.items():
        # A backend for another device is no news, nor is one that cannot run the cell if a fast one can.
        if refusal.about == "plugin" or (refusal.about == "cell" and choice.backend == EAGER):
            names.setdefault(refusal.reason, []).append(name)
    return line + "".join(f"; {', '.join(backends)}: {reason}" for reason, backends in names.items())
