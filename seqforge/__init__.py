"""seqforge composes recurrent sequence models from plugins, trains them, samples them and measures their errors.

This module offers a function or method for everything that the command line does, and the interfaces that components
implement, which are those of `seqforge.kinds`. A component may be a class that is defined in the Python session. Names
are imported on first use, so that `import seqforge` does not import torch.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from seqforge.errors import SeqforgeError

if TYPE_CHECKING:
    from seqforge.api.compare import compare
    from seqforge.api.export import export
    from seqforge.api.export_format import export_format
    from seqforge.api.import_model import import_model
    from seqforge.api.run import Run
    from seqforge.api.session_corpora import examples, texts
    from seqforge.api.train import train
    from seqforge.experiment.experiment import Experiment
    from seqforge.kinds.interfaces import *
    from seqforge.registry.component import use
    from seqforge.registry.registry import Registry
    from seqforge.training.callbacks import Callback

__version__ = version("seqforge-core")

__all__ = [
    "Callback",
    "Experiment",
    "Registry",
    "Run",
    "SeqforgeError",
    "__version__",
    "compare",
    "examples",
    "export",
    "export_format",
    "import_model",
    "texts",
    "train",
    "use",
]

_MODULES = {
    "Callback": "seqforge.training.callbacks",
    "Experiment": "seqforge.experiment.experiment",
    "Registry": "seqforge.registry.registry",
    "use": "seqforge.registry.component",
    "Run": "seqforge.api.run",
    **{name: f"seqforge.api.{name}" for name in ("compare", "export", "export_format", "import_model", "train")},
    **dict.fromkeys(("examples", "texts"), "seqforge.api.session_corpora"),
}


def __dir__() -> list[str]:
    return [*__all__, *dir(importlib.import_module("seqforge.kinds"))]


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        module = importlib.import_module(_MODULES.get(name, "seqforge.kinds"))
        if name in _MODULES or name in dir(module):
            return getattr(module, name)
    raise AttributeError(f"module 'seqforge' has no attribute {name!r}")
