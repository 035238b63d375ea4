"""The backends that a run's cells were trained on: `backends.json` of a run directory."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from seqforge.errors import RunError
from seqforge.files import read_json, reported_failures, write_atomically
from seqforge.model import CellBackend

BACKENDS = "backends.json"
VERSION = 1


def record_backends(folder: Path, choices: Iterable[CellBackend]) -> None:
    """Write the backend of each cell, so that a resumed run uses it again and stays bit-identical.

    Raises:
        RunError: If the file cannot be written.
    """
    table = {"version": VERSION, "cells": {choice.module: choice.backend for choice in choices}}
    with reported_failures(f"writing {folder / BACKENDS}"):
        write_atomically(folder / BACKENDS, json.dumps(table, indent=2).encode())


def read_backends(folder: Path) -> Mapping[str, str]:
    """Return the backend of each cell by its module's name.

    Raises:
        RunError: If the file is missing, damaged, or of an unknown version.
    """
    path = folder / BACKENDS
    try:
        table = read_json(path)
        if table["version"] != VERSION:
            raise ValueError(f"version {table['version']}; this program reads version {VERSION}")
        cells = table["cells"]
        if not all(isinstance(name, str) for pair in cells.items() for name in pair):
            raise ValueError("a backend is not text")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path}: missing or damaged: {error}",
            hint="To choose backends again: --set training.backend=auto. The bits of the run may then differ.",
        ) from error
    return dict(cells)


def describe_backends(choices: Iterable[CellBackend]) -> tuple[str, ...]:
    """Return one line for each cell: which backend runs it, how fast it is, and why a faster kind does not run it."""
    return tuple(map(_describe, choices))


def _describe(choice: CellBackend) -> str:
    times = sorted((seconds, name) for name, seconds in choice.seconds.items() if seconds > 0)
    own = choice.seconds.get(choice.backend, 0.0)
    parts = [f"{choice.module} ({choice.cell}) runs on {choice.backend}"]
    if own:
        others = ", ".join(f"{name} {1000 * seconds:.3g} ms" for seconds, name in times if name != choice.backend)
        parts[0] += f": {1000 * own:.3g} ms per batch" + (f" ({others})" if others else "")
    if choice.backend == "eager":
        # That another kind of device is not there is no news.
        reasons = {name: text for name, text in choice.refused.items() if not text.startswith("it runs on ")}
        parts += [f"{name}: {reason}" for name, reason in reasons.items()]
    return "; ".join(parts)
