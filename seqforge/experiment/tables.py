"""Tables of an experiment before the check: reading TOML, overriding values and replacing components."""

import codecs
import copy
import errno
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from seqforge.errors import ExperimentError, nearest, quote_path
from seqforge.experiment.model import Layer
from seqforge.kinds.table import KINDS
from seqforge.registry.options import options_of
from seqforge.registry.problems import format_value
from seqforge.registry.registry import Registry
from seqforge.storage.files import describe_failure, read_bounded
from seqforge.storage.paths import is_utf8

Table = dict[str, Any]

MAXIMUM_SIZE = 1024 * 1024
"""Maximum size of an experiment file in bytes."""

MAXIMUM_DEPTH = 64
"""Maximum number of levels of nested tables and lists."""

MAXIMUM_ENTRIES = 20_000
"""Maximum number of keys and items of lists."""

MAXIMUM_TABLES = 1_000
"""Maximum number of tables, each of which may be a component that is built."""

_LONG_KEY = re.compile(rb"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""")
"""A dotted key of more than 16 parts. The memory that the parser needs grows with the square of their number."""

MAXIMUM_LINE = 100
"""Maximum number of characters of a line that a message shows."""

MAXIMUM_SUGGESTIONS = 10
"""Maximum number of files that a message suggests."""


def read_table(path: Path) -> Table:
    """Read a TOML file.

    Raises:
        ExperimentError: If it is missing or cannot be read, or as in `parse_table`.
    """
    try:
        content = read_bounded(path, MAXIMUM_SIZE, follow_symlinks=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ExperimentError(f"{path}: no such file", hint=_suggest_experiments(path.parent, path.name)) from error
    except IsADirectoryError as error:
        hint = _suggest_experiments(path)
        if (path / "experiment.toml").is_file():
            hint = f"To resume this run: seqforge run --resume {quote_path(path)}"
        raise ExperimentError(f"{path}: is a folder, not an experiment file", hint=hint) from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise _no_toml(path, ValueError(error.strerror), b"") from error
        failure = describe_failure(error, f"reading {path}")
        raise ExperimentError(failure.message, hint=failure.hint) from error
    return parse_table(content, path)


def parse_table(content: bytes, path: Path) -> Table:
    """Return the tables in the content of a TOML file, which messages name.

    Raises:
        ExperimentError: If it is not TOML, is nested too deeply, or has too many entries, tables or digits.
    """
    try:
        table = _parse(content)
    except (ValueError, RecursionError) as error:  # A number with thousands of digits is a ValueError too.
        raise _no_toml(path, error, content) from error
    if excess := _find_excess(table):
        raise ExperimentError(f"{path}: {excess}")
    return table


def _parse(content: bytes) -> Table:
    if match := _LONG_KEY.search(content):
        line = content.count(b"\n", 0, match.start()) + 1
        raise ValueError(f"a dotted key has more than 16 parts (at line {line}, column 1)")
    return tomllib.loads(content.removeprefix(codecs.BOM_UTF8).decode())


def _no_toml(path: Path, error: Exception, content: bytes) -> ExperimentError:
    message, hint = str(error), "See https://toml.io for the syntax."
    if isinstance(error, UnicodeDecodeError):
        line = content.count(b"\n", 0, error.start) + 1
        message = f"line {line} is not UTF-8 text"
        hint = "Save the file in the encoding UTF-8."
    if message.endswith("(at end of document)"):
        hint = f"A value, a bracket or a quotation mark is missing at the end. {hint}"
    elif message.startswith("Invalid value"):
        hint = f'Write text in quotes, such as use = "text". {hint}'
    if place := re.search(r"at line (\d+), ", message):
        shown = content.split(b"\n")[int(place[1]) - 1].decode(errors="replace").strip()
        hint = f"The line is: {shown[:MAXIMUM_LINE]}\n{hint}"
    if path.suffix != ".toml":
        hint = 'An experiment file names the text to train on: files = ["FILE"] in [corpus], with use = "text".'
    return ExperimentError(f"{path}: not a TOML file: {message}", hint=hint)


def _find_excess(table: Table) -> str:
    """Return which bound a table exceeds, or an empty text."""
    # One level at a time, since recursion could overflow the stack.
    level: list[Any] = [table]
    entries = tables = 0
    for _ in range(MAXIMUM_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        entries += len(level)
        if entries > MAXIMUM_ENTRIES:
            return f"it has more than {MAXIMUM_ENTRIES:,} keys and items of lists"
        tables += sum(isinstance(value, dict) for value in level)
        if tables > MAXIMUM_TABLES:
            return f"it has more than {MAXIMUM_TABLES:,} tables"
        if any(isinstance(value, int) and abs(value) >= 10**100 for value in level):
            return "an integer has more than 100 digits"
    return f"tables and lists are nested more than {MAXIMUM_DEPTH} levels deep" if level else ""


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("Table", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()


def _suggest_experiments(folder: Path, name: str = "") -> str:
    """Return a hint with the file of the nearest name in a folder, or with all experiment files."""
    if not folder.is_dir():
        if folder.name == "experiments":
            return "That folder is in the repository of seqforge. Without it: seqforge run --corpus linux-source"
        return f"{folder} is a file, not a folder." if folder.is_file() else f"The folder {folder} does not exist."
    files = [file.name for file in sorted(folder.glob("*.toml"))[:100] if is_experiment_file(file)]
    texts = [] if name.endswith(".toml") else [path.name for path in sorted(folder.iterdir())[:1000]]
    if match := nearest(name, [*files, *texts]):
        return f"Did you mean {folder / match}?"
    if Path(name).suffix not in ("", ".toml"):
        return (
            f"The folder {folder.absolute()} has no such text. Name a text, a folder of texts, or an experiment file."
        )
    if not files:
        return f"The folder {folder.absolute()} has no experiment file."
    return f"Experiment files in {folder}: {', '.join(files[:MAXIMUM_SUGGESTIONS])}."


def is_experiment_file(path: Path) -> bool:
    """Return whether a file is TOML with a corpus, as that of every experiment."""
    try:
        return "corpus" in _parse(read_bounded(path, MAXIMUM_SIZE, follow_symlinks=True))
    except (OSError, ValueError, RecursionError):
        return False


_DEFAULT_LISTS = {kind.key: kind.default for kind in KINDS.values() if kind.many and kind.default}
"""Components that a list of components has if the experiment does not have its key."""


def override(table: Table, assignments: Iterable[str] | Mapping[str, Any]) -> Table:
    """Return a copy of a table with assignments such as `model.cells.0.hidden_size=256`, or with values by key.

    A value of an assignment that is not TOML is taken as text.

    Raises:
        ExperimentError: If an assignment is not of the form `key=value`, if its key leads into a plain value or past
            the end of a list, or if the result exceeds the bounds of `parse_table`.
    """
    result = copy.deepcopy(table)
    given: Any = assignments
    if isinstance(assignments, Mapping):
        for key, value in cast("Mapping[str, Any]", assignments).items():
            _assign(result, key.split("."), value, f"{key}={format_value(value)}")
    elif not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in cast("list[Any]", given)):
        raise ExperimentError(
            f"overrides are a list of assignments, not {format_value(assignments)}",
            hint='For example: ["training.batch_size=32"].',
        )
    else:
        for assignment in assignments:
            _assign(result, *_parse_assignment(assignment), assignment)
    if excess := _find_excess(result):
        raise ExperimentError(f"overrides: {excess}")
    return result


def _parse_assignment(assignment: str) -> tuple[list[str], Any]:
    """Return the parts of the key, and the value."""
    if not is_utf8(assignment):
        raise ExperimentError(f"override {assignment!r}: is not valid UTF-8")
    key, equals, text = assignment.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        hint = "For example: training.batch_size=32"
        raise ExperimentError(f"override {assignment}: is not of the form KEY=VALUE", hint=hint)
    return parts, _value(text.strip())


def _assign(table: Table, parts: Sequence[str], value: Any, assignment: str) -> None:
    place: Any = table
    for depth, (part, next_part) in enumerate(zip(parts, [*parts[1:], None], strict=True)):
        key = ".".join(parts[:depth])
        if isinstance(place, list):
            items = cast("list[Any]", place)
            if not part.isdecimal() or len(part) > 9 or int(part) > len(items):
                hint = f"Use an index from 0 to {len(items)}; {len(items)} appends an item."
                if part.isidentifier():
                    example = ".".join([key, "0", *parts[depth:]])
                    hint = f"For the first item: {example}={assignment.partition('=')[2]}"
                raise ExperimentError(
                    f"override {assignment}: {key} is a list of length {len(items)}, without an item {part!r}",
                    hint=hint,
                )
            index: Any = int(part)
            if index == len(items):
                items.append(None)
            missing = items[index] is None
        elif isinstance(place, dict):
            index = part
            missing = part not in cast("Table", place)
        else:
            raise ExperimentError(f"override {assignment}: {key} is {format_value(place)}, which has no keys")
        if next_part is None:
            place[index] = value
            return
        if missing:
            default = _DEFAULT_LISTS.get(".".join(parts[: depth + 1]))
            place[index] = [{"use": default}] if default else [] if next_part == "0" else {}
        place = cast("Any", place[index])


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text  # Several lines may be several TOML assignments.


def replace_components(table: Table, registry: Registry, **components: str | Sequence[str] | None) -> Table:
    """Return a table with components replaced. Options that the new component also has keep their values.

    The name of a new component is given by its kind: for a cell, that of every layer. Several names, as of a chain of
    samplers, replace all. None or an empty list keeps those of the table.

    Raises:
        PluginError: If no component has such a name.
    """
    result = dict(table)
    for kind, names in components.items():
        if names is None or names in ((), []):
            continue
        *outer, key = cast("str", KINDS[kind].key).split(".")
        place = result
        for part in outer:
            place[part] = dict(as_table(place.get(part)))
            place = place[part]
        before: Any = place.get(key)
        if not isinstance(names, str):
            place[key] = [_replace(None, registry, kind, name) for name in names]
        elif KINDS[kind].many:
            layers = cast("list[Any]", before) if isinstance(before, list) and before else [None]
            place[key] = [_replace(layer, registry, kind, names) for layer in layers]
        else:
            place[key] = _replace(before, registry, kind, names)
    return result


def _replace(before: Any, registry: Registry, kind: str, name: str) -> Table:
    registration = registry.find(kind, name)
    keys = {*options_of(registry, registration).model_fields, *(Layer.model_fields if kind == "cell" else ())}
    return {"use": name} | {key: value for key, value in as_table(before).items() if key in keys}


def as_table(value: Any) -> Table:
    """Return a value if it is a table, and otherwise an empty table."""
    return cast("Table", value) if isinstance(value, dict) else {}


def merge_tables(table: Mapping[str, Any], changes: Mapping[str, Any]) -> Table:
    """Return a table with the changes merged into it. A table with the key `use` replaces a component as a whole."""
    merged = dict(table)
    for key, value in changes.items():
        if isinstance(value, Mapping) and "use" not in value and isinstance(table.get(key), Mapping):
            value = merge_tables(table[key], cast("Mapping[str, Any]", value))
        merged[key] = value
    return merged
