"""TOML tables: reading them and overriding their values, before anything is checked."""

import codecs
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from seqforge.errors import ExperimentError
from seqforge.files import read_bounded
from seqforge.registry import Registry, options_of, shown

Table = dict[str, Any]

MAXIMUM_SIZE = 1024 * 1024
"""Bytes of a file; no honest experiment comes near it."""

MAXIMUM_DEPTH = 64
"""Tables and lists inside one another; no honest experiment comes near it."""


def read_table(path: Path) -> Table:
    """Read a TOML file.

    Args:
        path: The file.

    Raises:
        ExperimentError: Where it is missing, is no file, is not TOML, or nests too deep.
    """
    try:
        content = read_bounded(path, MAXIMUM_SIZE)
        table = tomllib.loads(content.removeprefix(codecs.BOM_UTF8).decode())
    except FileNotFoundError as error:
        raise ExperimentError(f"{path}: no such file", hint=_neighbours(path)) from error
    except IsADirectoryError as error:
        raise ExperimentError(
            f"{path}: is a folder, not an experiment file",
            hint="To go on with a run, write `seqforge run --resume RUN`.",
        ) from error
    except (ValueError, RecursionError) as error:  # A number of thousands of digits is a ValueError too.
        raise ExperimentError(
            f"{path}: not a TOML file: {error}", hint="See https://toml.io for the syntax."
        ) from error
    except OSError as error:
        raise ExperimentError(f"{path}: cannot be read: {error.strerror}") from error
    if _is_too_deep(table):
        raise ExperimentError(f"{path}: more than {MAXIMUM_DEPTH} tables or lists stand in one another")
    return table


def _is_too_deep(table: Table) -> bool:
    # A level at a time: to call oneself for each would be what it guards against.
    level: list[Any] = [table]
    for _ in range(MAXIMUM_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("Table", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()


def _neighbours(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"The folder {folder} does not exist."
    files = sorted(file.name for file in folder.glob("*.toml"))[:10]
    return f"Experiment files in {folder}: {', '.join(files)}." if files else f"{folder} holds no .toml file."


def is_utf8(text: str) -> bool:
    """Tell whether a text can be written to a file; what the shell or the file system gave may hold other bytes.

    Args:
        text: An argument, or a path.
    """
    return text.encode(errors="ignore").decode() == text


def override(table: Table, assignments: Iterable[str]) -> Table:
    """Apply `key=value` assignments, such as `model.cells.0.hidden_size=256`.

    Args:
        table: The experiment; left as it is.
        assignments: Each a dotted key and a TOML value; what is not TOML is taken as a string.

    Returns:
        A new table.

    Raises:
        ExperimentError: Where an assignment has no `=`, its key leads through a plain value or past a list, or
            what comes of it nests too deep.
    """
    result = cast("Table", _copied(table))
    for assignment in assignments:
        if not is_utf8(assignment):
            raise ExperimentError(f"--set {assignment!r}: not text in UTF-8")
        key, equals, text = assignment.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not equals or not all(parts):
            raise ExperimentError(
                f"--set {assignment}: not of the form key=value",
                hint="For example: --set training.batch_size=32",
            )
        _assign(result, parts, _value(text.strip()), assignment)
    if _is_too_deep(result):
        raise ExperimentError(f"--set: more than {MAXIMUM_DEPTH} tables or lists would stand in one another")
    return result


def _assign(table: Table, parts: Sequence[str], value: Any, assignment: str) -> None:
    place: Any = table
    for depth, (part, following) in enumerate(zip(parts, [*parts[1:], None], strict=True)):
        if isinstance(place, list):
            items = cast("list[Any]", place)
            if not part.isdecimal() or int(part) > len(items):
                place_so_far = ".".join(parts[:depth])
                raise ExperimentError(
                    f"--set {assignment}: {place_so_far} is a list of {len(items)}, and has no place {part!r}",
                    hint=f"Use an index from 0 to {len(items)}; {len(items)} appends.",
                )
            index: Any = int(part)
            if index == len(items):
                items.append(None)
            missing = items[index] is None
        elif isinstance(place, dict):
            index = part
            missing = part not in cast("Table", place)
        else:
            raise ExperimentError(
                f"--set {assignment}: {'.'.join(parts[:depth])} is the plain value {shown(place)}, which holds no keys"
            )
        if following is None:
            place[index] = value
            return
        if missing:
            place[index] = [] if following == "0" else {}
        place = cast("Any", place[index])


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text  # A text of several lines may be TOML, but is no value.


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in cast("Table", value).items()}
    if isinstance(value, list):
        return [_copied(inner) for inner in cast("list[Any]", value)]
    return value


def replace_components(
    table: Table,
    registry: Registry,
    *,
    corpus: str | None = None,
    cell: str | None = None,
    loss: str | None = None,
    optimizer: str | None = None,
    sampler: Sequence[str] = (),
) -> Table:
    """Put other components into an experiment; of the options beside them, those stay which the new one has too.

    Args:
        table: The experiment, unchecked; left as it is.
        registry: The installed components.
        corpus: The corpus to use.
        cell: The cell to use in every layer.
        loss: The loss to use.
        optimizer: The optimizer to use.
        sampler: The chain of samplers to use.

    Returns:
        A new table.

    Raises:
        PluginError: Where a name is not a component's.
    """
    chosen = dict(table)
    for kind, name in (("corpus", corpus), ("loss", loss), ("optimizer", optimizer)):
        if name is not None:
            chosen[kind] = _swapped(chosen.get(kind), registry, kind, name)
    if cell is not None:
        model = chosen.get("model")
        model = dict(cast("Table", model)) if isinstance(model, dict) else {}
        layers = model.get("cells")
        tables = cast("list[Any]", layers) if isinstance(layers, list) and layers else [None]
        model["cells"] = [_swapped(layer, registry, "cell", cell, kept=("repeat", "backend")) for layer in tables]
        chosen["model"] = model
    if sampler:
        chosen["sampler"] = [_swapped(None, registry, "sampler", name) for name in sampler]
    return chosen


def _swapped(table: Any, registry: Registry, kind: str, name: str, kept: Sequence[str] = ()) -> Table:
    registration = registry.find(kind, name)
    options = options_of(registry.load(registration), kind, registration.qualified_name)
    known = {*options.names, *kept}
    before = cast("Table", table) if isinstance(table, dict) else {}
    return {"use": name} | {key: value for key, value in before.items() if key in known}
