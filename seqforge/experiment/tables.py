"""Tables of an experiment before the check: reading TOML, overriding values and replacing components."""

import codecs
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from seqforge.errors import ExperimentError
from seqforge.files import read_bounded
from seqforge.registry import Registry, options_of, shown

Table = dict[str, Any]

MAXIMUM_SIZE = 1024 * 1024
"""Maximum number of bytes of an experiment file."""

MAXIMUM_DEPTH = 64
"""Maximum depth of nested tables and lists."""


def read_table(path: Path) -> Table:
    """Read a TOML file.

    Raises:
        ExperimentError: If it is missing, cannot be read, is not TOML, or is nested too deeply.
    """
    try:
        content = read_bounded(path, MAXIMUM_SIZE)
        table = tomllib.loads(content.removeprefix(codecs.BOM_UTF8).decode())
    except FileNotFoundError as error:
        raise ExperimentError(f"{path}: no such file", hint=_neighbours(path)) from error
    except IsADirectoryError as error:
        raise ExperimentError(
            f"{path}: is a folder, not an experiment file", hint="To resume a run: seqforge run --resume RUN"
        ) from error
    except (ValueError, RecursionError) as error:  # A number with thousands of digits is a ValueError too.
        raise ExperimentError(
            f"{path}: not a TOML file: {error}", hint="See https://toml.io for the syntax."
        ) from error
    except OSError as error:
        raise ExperimentError(f"{path}: cannot be read: {error.strerror}") from error
    if _is_too_deep(table):
        raise ExperimentError(f"{path}: tables and lists are nested more than {MAXIMUM_DEPTH} deep")
    return table


def _is_too_deep(table: Table) -> bool:
    # One level at a time, since a recursion would exceed the stack.
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
    return f"Experiment files in {folder}: {', '.join(files)}." if files else f"There is no .toml file in {folder}."


def is_utf8(text: str) -> bool:
    """Return whether a text can be encoded in UTF-8. Text from a shell or a file system may contain other bytes."""
    return text.encode(errors="ignore").decode() == text


def override(table: Table, assignments: Iterable[str]) -> Table:
    """Return a table with assignments such as `model.cells.0.hidden_size=256`; a value that is not TOML is text.

    Raises:
        ExperimentError: If an assignment has no `=`, if its key leads through a plain value or past the end of a list,
            or if the result is nested too deeply.
    """
    result = cast("Table", _copied(table))
    for assignment in assignments:
        if not is_utf8(assignment):
            raise ExperimentError(f"--set {assignment!r}: is not text in UTF-8")
        key, equals, text = assignment.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not equals or not all(parts):
            raise ExperimentError(
                f"--set {assignment}: is not of the form KEY=VALUE", hint="For example: --set training.batch_size=32"
            )
        _assign(result, parts, _value(text.strip()), assignment)
    if _is_too_deep(result):
        raise ExperimentError(f"--set: tables and lists would be nested more than {MAXIMUM_DEPTH} deep")
    return result


def _assign(table: Table, parts: Sequence[str], value: Any, assignment: str) -> None:
    place: Any = table
    for depth, (part, following) in enumerate(zip(parts, [*parts[1:], None], strict=True)):
        if isinstance(place, list):
            items = cast("list[Any]", place)
            if not part.isdecimal() or int(part) > len(items):
                place_so_far = ".".join(parts[:depth])
                raise ExperimentError(
                    f"--set {assignment}: {place_so_far} is a list of length {len(items)}, without an item {part!r}",
                    hint=f"Use an index from 0 to {len(items)}; {len(items)} appends an item.",
                )
            index: Any = int(part)
            if index == len(items):
                items.append(None)
            missing = items[index] is None
        elif isinstance(place, dict):
            index = part
            missing = part not in cast("Table", place)
        else:
            raise ExperimentError(f"--set {assignment}: {'.'.join(parts[:depth])} is {shown(place)}, which has no keys")
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
    return table["value"] if len(table) == 1 else text  # Text of several lines may be TOML, but not a single value.


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
    """Return a table with other components, and options of the old ones that the new ones have too.

    Raises:
        PluginError: If there is no component of a name.
    """
    chosen = dict(table)
    for kind, name in (("corpus", corpus), ("loss", loss), ("optimizer", optimizer)):
        if name is not None:
            chosen[kind] = _replaced(chosen.get(kind), registry, kind, name)
    if cell is not None:
        model = chosen.get("model")
        model = dict(cast("Table", model)) if isinstance(model, dict) else {}
        layers = model.get("cells")
        tables = cast("list[Any]", layers) if isinstance(layers, list) and layers else [None]
        model["cells"] = [_replaced(layer, registry, "cell", cell, kept=("repeat", "backend")) for layer in tables]
        chosen["model"] = model
    if sampler:
        chosen["sampler"] = [_replaced(None, registry, "sampler", name) for name in sampler]
    return chosen


def _replaced(table: Any, registry: Registry, kind: str, name: str, kept: Sequence[str] = ()) -> Table:
    registration = registry.find(kind, name)
    options = options_of(registry.load(registration), kind, registration.qualified_name)
    known = {*options.names, *kept}
    before = cast("Table", table) if isinstance(table, dict) else {}
    return {"use": name} | {key: value for key, value in before.items() if key in known}


def merge_tables(table: Mapping[str, Any], changes: Mapping[str, Any]) -> Table:
    """Return a table with some keys changed. A component that is named again replaces the old one and its options."""
    merged = dict(table)
    for key, value in changes.items():
        if isinstance(value, Mapping) and "use" not in value and isinstance(table.get(key), Mapping):
            value = merge_tables(table[key], cast("Mapping[str, Any]", value))
        merged[key] = value
    return merged
