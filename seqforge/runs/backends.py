"""The backends that a run's cells were trained on, and its precision: `backends.json` of a run directory."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from seqforge.errors import RunError, quote_path
from seqforge.figures import format_milliseconds
from seqforge.model.choose_backend import CellBackend, RecordedBackends
from seqforge.model.measure_backends import EAGER
from seqforge.model.precision import Precision
from seqforge.storage.files import reported_failures
from seqforge.storage.records import DamagedFileError

NameT = TypeVar("NameT", bound=str)

BACKENDS = "backends.json"


def record_backends(folder: Path, choices: Iterable[CellBackend], precision: Precision) -> None:
    """Write the backend of each cell and the precision, so that a resumed run uses them and stays bit-identical.

    Raises:
        RunError: If the file cannot be written.
    """
    cells = {choice.module: choice.backend for choice in choices}
    with reported_failures(f"writing {folder / BACKENDS}"):
        RecordedBackends(cells=cells, precision=precision).write(folder / BACKENDS)


def read_backends(folder: Path) -> RecordedBackends:
    """Return the backends and the precision with which a run was trained.

    Raises:
        RunError: If the file is missing, damaged, of an unknown version, or cannot be read.
    """
    try:
        return RecordedBackends.read(folder / BACKENDS)
    except DamagedFileError as error:
        raise RunError(
            error.message,
            hint="To choose the backends again (others may have slightly different results): seqforge run --resume "
            f"{quote_path(folder)} --set training.backend=auto",
        ) from error


def describe_backends(choices: Iterable[CellBackend]) -> tuple[str, ...]:
    """Return lines that say which backend runs the cells, how fast it is, and why a faster kind does not run them.

    Cells that run on the same backend for the same reasons share a line, which has the sums of their times.
    """
    groups: dict[tuple[str, str, str], list[CellBackend]] = {}
    for choice in choices:
        groups.setdefault((choice.cell, choice.backend, _refusals(choice)), []).append(choice)
    return tuple(_describe(group, refusals) for (_, _, refusals), group in groups.items())


def _describe(group: Sequence[CellBackend], refusals: str) -> str:
    first = group[0]
    seconds = _sums([choice.seconds for choice in group])
    times = sorted((time, name) for name, time in seconds.items() if name != first.backend)
    shown = [f"{name} {format_milliseconds(time)}" for time, name in times]
    own = seconds.get(first.backend)
    line = f"{_join_modules([choice.module for choice in group])}: {first.cell} on {first.backend}"
    line += "" if own is None else f", {format_milliseconds(own)} per batch"
    if shown:
        line += f" ({', '.join(shown)})"
    by_precision = _sums([choice.seconds_by_precision for choice in group])
    if by_precision:
        each = (f"{name} {format_milliseconds(time)}" for name, time in by_precision.items())
        line += f"; precision: {', '.join(each)}"
    return line + refusals


def _sums(times: Sequence[Mapping[NameT, float]]) -> dict[NameT, float]:
    """Return the sum of the times of the cells by name, for each name that every cell has."""
    return {name: sum(each[name] for each in times) for name in times[0] if all(name in each for each in times)}


def _join_modules(modules: Sequence[str]) -> str:
    """Return the names of modules, with successive numbers as a range: "stack.cells.0–3", "stack.cells.0–3.inner"."""
    ranges: list[tuple[str, int, int, str]] = []
    for module in modules:
        *_, match = re.finditer(r"\.(\d+)", module)  # Every cell is in a list of layers.
        stem, number, rest = module[: match.start()], int(match[1]), module[match.end() :]
        if ranges and (ranges[-1][0], ranges[-1][2] + 1, ranges[-1][3]) == (stem, number, rest):
            ranges[-1] = (stem, ranges[-1][1], number, rest)
        else:
            ranges.append((stem, number, number, rest))
    return ", ".join(f"{stem}.{first}{f'–{last}' if last > first else ''}{rest}" for stem, first, last, rest in ranges)


def _refusals(choice: CellBackend) -> str:
    names: dict[str, list[str]] = {}
    for name, refusal in choice.refused.items():
        # Leave out backends for other devices, and those that cannot run the cell if a fast one can.
        if refusal.about == "plugin" or (refusal.about in ("cell", "run") and choice.backend == EAGER):
            names.setdefault(refusal.reason, []).append(name)
    return "".join(f"; {', '.join(backends)}: {reason}" for reason, backends in names.items())
