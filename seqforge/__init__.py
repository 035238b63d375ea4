"""seqforge composes sequence models from plugins, trains them, samples them, and judges what they write.

Whatever the command line does is a call from here. Importing this module imports no torch; its names do when they
are first used.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from seqforge.errors import SeqforgeError

if TYPE_CHECKING:
    from seqforge.api import Run, resume, train
    from seqforge.experiment import Experiment
    from seqforge.registry import Registry, use

__version__ = version("seqforge-core")

__all__ = ["Experiment", "Registry", "Run", "SeqforgeError", "__version__", "resume", "train", "use"]

_HOMES = {
    "Experiment": "seqforge.experiment",
    "Registry": "seqforge.registry",
    "Run": "seqforge.api",
    "resume": "seqforge.api",
    "train": "seqforge.api",
    "use": "seqforge.registry",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seqforge' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
