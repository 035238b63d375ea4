"""`form.json`: what the examples of a run are made of, so that it can predict where the corpus is gone."""

import json
from pathlib import Path
from typing import Any, cast

from seqforge.errors import DataError
from seqforge.files import read_json
from seqforge.interfaces import Classes, Form, Numbers, Text

FORM = "form.json"
FORM_VERSION = 1


def write_form(form: Form, path: Path) -> None:
    """Write a form.

    Args:
        form: What is written.
        path: The file.
    """
    table = {
        "version": FORM_VERSION,
        "reads": _part_table(form.reads),
        "read": form.read,
        "writes": _part_table(form.writes),
        "written": form.written,
    }
    path.write_text(json.dumps(table), encoding="utf-8")


def read_form(path: Path) -> Form:
    """Read a form.

    Args:
        path: The file.

    Raises:
        DataError: Where it is damaged, or of a version that this program does not know.
    """
    try:
        table: dict[str, Any] = read_json(path)
        if table["version"] != FORM_VERSION:
            raise ValueError(f"version {table['version']}, this program knows {FORM_VERSION}")
        reads = _part(table["reads"])
        if isinstance(reads, Classes) or table["read"] not in ("vector", "sequence"):
            raise ValueError("nothing reads so")
        if table["written"] not in ("once", "every step", "sequence"):
            raise ValueError("nothing writes so")
        return Form(reads, table["read"], _part(table["writes"]), table["written"])
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
