"""A short run of training with a cell, which is resumed, sampled and exported."""

import os
import tempfile
from pathlib import Path
from typing import Any, cast
from unittest import SkipTest, mock

from seqforge.api.export import export
from seqforge.api.run import Run
from seqforge.api.session_corpora import texts
from seqforge.api.train import train
from seqforge.experiment.experiment import Experiment
from seqforge.kinds import Cell
from seqforge.registry.discovery import PluginState
from seqforge.registry.registry import Registry
from seqforge.testing.cell_case import CellFactory
from seqforge.testing.conformance import fail, name_of, require_equal

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

_TEXT = "The quick brown fox jumps over the lazy dog.\n" * 12
_STEPS, _LAYERS = 10, 2


def require_run(make_cell: CellFactory) -> None:
    """Train two layers of a cell for ten steps, repeat the last five, draw a sample, and export the model.

    Raises:
        ConformanceError: If a result depends on whether the run was interrupted, or changes in the exported model.
    """
    registry = Registry.installed()
    if not any(plugin.name == "essentials" and plugin.state is PluginState.OK for plugin in registry.plugins):
        raise SkipTest("a run needs the default vocabulary and loss, those of the plugin essentials")
    with tempfile.TemporaryDirectory() as name, mock.patch.dict(os.environ, SEQFORGE_CACHE=f"{name}/cache"):
        folder = Path(name)
        run = train(_experiment(make_cell, registry), folder / "runs", progress=False)
        model = run.model("latest", device="cpu")
        _require_separate_layers(make_cell, list(cast("Any", model).stack.cells))
        again = run.resume(_STEPS // 2, progress=False).model("latest", device="cpu")
        problem = "`{part}` differs after a run is resumed, so that the run cannot be repeated"
        require_equal(make_cell, problem, again.state_dict(), model.state_dict(), tolerance=0.0)
        exported = export(run, folder / "model", checkpoint="latest", precision="float32")
        samples = [_sample(each, run.experiment.registry) for each in (run, exported)]
        if samples[0] != samples[1]:
            fail(make_cell, "the exported model draws another sample", expected=repr(samples[0]), got=repr(samples[1]))


def _experiment(make_cell: CellFactory, registry: Registry) -> Experiment:
    # A cell that supports other input sizes only reads embeddings of the size of its output.
    embedding = {} if make_cell(5, 8).input_size == 5 else {"embedding_size": make_cell(8, 8).input_size}
    steps = {"steps": _STEPS, "batch_size": 2, "sequence_length": 8, "checkpoint_interval": _STEPS // 2}
    return Experiment(
        corpus=texts([_TEXT]),
        model={"cells": [_class_of(make_cell)] * _LAYERS, **embedding},
        training={**steps, "backend": "eager"},  # Another test compares the other backends.
        evaluation={"interval": _STEPS},
        sampling={"interval": _STEPS // 2, "count": 1, "length": 1},
        registry=registry,
    )


def _class_of(make_cell: CellFactory) -> type[Cell[Any]]:
    """Return a class without options whose instances are what a function returns for 8 units."""

    class Made(Cell[Any]):
        # The cell is no instance of this class, so that Python does not call `__init__`, which states that there are no
        # options.
        def __new__(cls, input_size: int) -> Any:
            return make_cell(input_size, 8)

        def __init__(self, input_size: int) -> None: ...

    made: Any = Made
    made.__name__, made.__abstractmethods__ = name_of(make_cell).strip("<>"), frozenset[str]()
    return made


def _require_separate_layers(make_cell: CellFactory, cells: list[Cell[Any]]) -> None:
    first, second = (dict(cell.named_parameters()) for cell in cells)
    for name, parameter in first.items():
        if parameter is second.get(name):
            problem = f"two layers share the parameter `{name}`"
            fail(make_cell, problem, expected="a parameter that `__init__` creates for each cell")


def _sample(run: Run, registry: Registry) -> str:
    return Run.open(run.path, registry=registry).sample("The ", length=20, checkpoint="latest", device="cpu")[0]
