"""seqforge composes recurrent sequence models from plugins, trains them, samples them and measures their errors.

Everything that the command line does is a call. Importing this module does not import torch; the first use of a name
does.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from seqforge.errors import SeqforgeError

if TYPE_CHECKING:
    from seqforge.api import Run, examples, resume, texts, train
    from seqforge.experiment import Experiment
    from seqforge.interfaces import Cell
    from seqforge.registry import Registry, use
    from seqforge.training.callbacks import Callback

__version__ = version("seqforge-core")

__all__ = [
    "Callback",
    "Cell",
    "Experiment",
    "Registry",
    "Run",
    "SeqforgeError",
    "__version__",
    "examples",
    "resume",
    "texts",
    "train",
    "use",
]

_MODULES = {
    "Callback": "seqforge.training.callbacks",
    "Cell": "seqforge.interfaces",
    "Experiment": "seqforge.experiment",
    "Registry": "seqforge.registry",
    "Run": "seqforge.api",
    "examples": "seqforge.api",
    "resume": "seqforge.api",
    "texts": "seqforge.api",
    "train": "seqforge.api",
    "use": "seqforge.registry",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'seqforge' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
