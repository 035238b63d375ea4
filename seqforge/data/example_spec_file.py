"""`form.json`: what the examples of a run are made of, so that it can predict where the corpus is gone."""

import json
from pathlib import Path
from typing import Any, cast

from seqforge.errors import DataError
from seqforge.files import read_json
from seqforge.interfaces import Classes, ExampleSpec, Numbers, Text

EXAMPLE_SPEC = "example_spec.json"
EXAMPLE_SPEC_VERSION = 1


def write_example_spec(spec: ExampleSpec, path: Path) -> None:
    """Write a form.

    Args:
        spec: What is written.
        path: The file.
    """
    table = {
        "version": EXAMPLE_SPEC_VERSION,
        "reads": _part_table(spec.input),
        "read": spec.input_kind,
        "writes": _part_table(spec.target),
        "written": spec.output_mode,
    }
    path.write_text(json.dumps(table), encoding="utf-8")


def read_example_spec(path: Path) -> ExampleSpec:
    """Read a form.

    Args:
        path: The file.

    Raises:
        DataError: Where it is damaged, or of a version that this program does not know.
    """
    try:
        table: dict[str, Any] = read_json(path)
        if table["version"] != EXAMPLE_SPEC_VERSION:
            raise ValueError(f"version {table['version']}, this program knows {EXAMPLE_SPEC_VERSION}")
        reads = _part(table["reads"])
        if isinstance(reads, Classes) or table["read"] not in ("vector", "sequence"):
            raise ValueError("nothing reads so")
        if table["written"] not in ("once", "every step", "sequence"):
            raise ValueError("nothing writes so")
        return ExampleSpec(reads, table["read"], _part(table["writes"]), table["written"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the form of a run's examples: {error}") from error


def _part_table(part: Text | Numbers | Classes) -> dict[str, Any]:
    match part:
        case Text():
            return {"kind": "text"}
        case Numbers(size):
            return {"kind": "numbers", "size": size}
        case Classes(names):
            return {"kind": "classes", "names": list(names)}


def _part(table: Any) -> Text | Numbers | Classes:
    values = cast("dict[str, Any]", table)
    match values["kind"]:
        case "text":
            return Text()
        case "numbers" if isinstance(values["size"], int):
            return Numbers(values["size"])
        case "classes":
            return Classes(tuple(str(name) for name in values["names"]))
        case kind:
            raise ValueError(f"there is no {kind!r}")
