"""The interfaces that plugins implement. They are imported on first use, since the table of kinds needs no torch."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqforge.kinds.interfaces import *


def __dir__() -> list[str]:
    # pytest adds names such as "@py_builtins" to modules.
    return [name for name in vars(importlib.import_module("seqforge.kinds.interfaces")) if name[0].isalpha()]


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    if name.startswith("_"):
        raise AttributeError(f"module 'seqforge.kinds' has no attribute {name!r}")
    return getattr(importlib.import_module("seqforge.kinds.interfaces"), name)
