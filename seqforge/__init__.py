"""seqforge composes recurrent sequence models from plugins, trains them, samples them and measures their errors.

This module offers a function or method for everything that the command line does, and the interfaces that components
implement. A component may be a class that is defined in the Python session. Names are imported on first use, so that
`import seqforge` does not import torch.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from seqforge.errors import SeqforgeError

if TYPE_CHECKING:
    from seqforge.api import Run, compare, examples, export, texts, train
    from seqforge.experiment import Experiment
    from seqforge.kinds import (
        Attention,
        Backend,
        Cell,
        Classes,
        Corpus,
        Document,
        ElementwiseCell,
        Example,
        ExampleSpec,
        FactoredCell,
        FittedMetric,
        IndexedMetric,
        Initializer,
        LabelledCorpus,
        Loss,
        Metric,
        Numbers,
        Optimizer,
        PredictionMetric,
        Sampler,
        Schedule,
        Score,
        Text,
        Tracker,
        Vocabulary,
    )
    from seqforge.registry import Registry, use
    from seqforge.training.callbacks import Callback

__version__ = version("seqforge-core")

__all__ = [
    "Attention",
    "Backend",
    "Callback",
    "Cell",
    "Classes",
    "Corpus",
    "Document",
    "ElementwiseCell",
    "Example",
    "ExampleSpec",
    "Experiment",
    "FactoredCell",
    "FittedMetric",
    "IndexedMetric",
    "Initializer",
    "LabelledCorpus",
    "Loss",
    "Metric",
    "Numbers",
    "Optimizer",
    "PredictionMetric",
    "Registry",
    "Run",
    "Sampler",
    "Schedule",
    "Score",
    "SeqforgeError",
    "Text",
    "Tracker",
    "Vocabulary",
    "__version__",
    "compare",
    "examples",
    "export",
    "texts",
    "train",
    "use",
]

_MODULES = {
    "Callback": "seqforge.training.callbacks",
    "Experiment": "seqforge.experiment",
    "Registry": "seqforge.registry",
    "use": "seqforge.registry",
    **dict.fromkeys(("Run", "compare", "examples", "export", "texts", "train"), "seqforge.api"),
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'seqforge' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES.get(name, "seqforge.kinds")), name)
