"""The interfaces that plugins implement. They are imported on first use, since the table of kinds needs no torch."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqforge.kinds.interfaces import *  # noqa: F403


def __dir__() -> list[str]:
    return importlib.import_module("seqforge.kinds.interfaces").__all__


def __getattr__(name: str) -> Any:
    if name.startswith("_") and name != "__all__":
        raise AttributeError(f"module 'seqforge.kinds' has no attribute {name!r}")
    return getattr(importlib.import_module("seqforge.kinds.interfaces"), name)
