"""The backends that a run's cells were trained on: `backends.json` of a run directory."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from seqforge.checksums import parse_sealed_json, to_sealed_json
from seqforge.errors import RunError
from seqforge.files import describe_failure, read_bounded, reported_failures, write_atomically
from seqforge.model import EAGER, CellBackend

BACKENDS = "backends.json"
VERSION = 1


def record_backends(folder: Path, choices: Iterable[CellBackend]) -> None:
    """Write the backend of each cell, so that a resumed run uses it again and stays bit-identical.

    Args:
        folder: Run directory.
        choices: Backend of each cell.

    Raises:
        RunError: If the file cannot be written.
    """
    table = {"version": VERSION, "cells": {choice.module: choice.backend for choice in choices}}
    with reported_failures(f"writing {folder / BACKENDS}"):
        write_atomically(folder / BACKENDS, to_sealed_json(table))


def read_backends(folder: Path) -> Mapping[str, str]:
    """Return the backend of each cell by its module's name.

    Args:
        folder: Run directory.

    Raises:
        RunError: If the file is missing, damaged, of an unknown version, or cannot be read.
    """
    path = folder / BACKENDS
    try:
        table = parse_sealed_json(read_bounded(path))
        if table["version"] != VERSION:
            raise ValueError(f"version {table['version']}; this program reads version {VERSION}")
        cells = table["cells"]
        if not all(isinstance(name, str) for pair in cells.items() for name in pair):
            raise ValueError("a backend is not text")
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path}: missing or damaged: {error}",
            hint=f"To choose the backends again: seqforge run --resume {folder} --set training.backend=auto. "
            "The results may then differ.",
        ) from error
    except OSError as error:
        raise describe_failure(error, f"reading {path}") from error
    return dict(cells)


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
    names: dict[str, list[str]] = {}
    for name, refusal in choice.refused.items():
        # A backend for another device is no news, nor is one that cannot run the cell if a fast one can.
        if refusal.about == "plugin" or (refusal.about == "cell" and choice.backend == EAGER):
            names.setdefault(refusal.reason, []).append(name)
    return line + "".join(f"; {', '.join(backends)}: {reason}" for reason, backends in names.items())
