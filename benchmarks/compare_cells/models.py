"""The compared models: every cell that is installed, bare and in a block, and the texts that they read."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seqforge_linux_source.corpus import INCLUDED

import seqforge as sf
from seqforge.data.dataset import prepare
from seqforge.model.build import build_model

LAYERS, PARAMETERS = 2, 180_000
BATCH, LENGTH = 16, 64
FORMS = ("bare", "block")
BLOCK = "gated-deltanet-block"
"""The block around each cell: a norm, a convolution over four steps, the cell, and a feed-forward part (SwiGLU)."""

VARIANTS: dict[str, dict[str, Any]] = {
    "lstm, peepholes": {"use": "lstm", "peepholes": True},
    "gated-deltanet, negative": {"use": "gated-deltanet", "negative_eigenvalues": True},
}
"""Cells with options that are compared beside those that are registered."""

C_FOLDERS = ["kernel/time/**", "kernel/irq/**"]
"""Folders of Linux with 65 files, about as long as tiny Shakespeare."""


@dataclass(frozen=True, slots=True)
class Model:
    """A cell on a text.

    Attributes:
        text: `shakespeare` or `c`.
        cell: Name of a cell or of a variant.
        form: `bare`, or `block` for the cell inside a residual block.
    """

    text: str
    cell: str
    form: str

    def __str__(self) -> str:
        return f"{self.cell}, {self.form}, {self.text}"


def list_cells() -> list[str]:
    """Return the names of all installed cells that contain no other cell."""
    registry = sf.Registry.installed()
    wrappers = [registry.load(registry.find("cell", name)) for name in ("block", "zoneout")]
    return [name for name in registry.names("cell") if registry.load(registry.find("cell", name)) not in wrappers]


def list_models() -> list[Model]:
    """Return every cell and variant on each text, bare and in a block."""
    cells = [*list_cells(), *VARIANTS]
    return [Model(text, cell, form) for cell in cells for form in FORMS for text in ("shakespeare", "c")]


class Experiments:
    """The experiments of the models.

    Args:
        shakespeare: File with tiny Shakespeare.
    """

    def __init__(self, shakespeare: Path) -> None:
        self._data: dict[str, dict[str, Any]] = {
            "shakespeare": {
                "corpus": sf.use("text", files=[shakespeare.resolve()]),
                "data": {"validation_fraction": 0.1},
            },
            "c": {
                "corpus": sf.use("linux-source", source=INCLUDED.path, include=C_FOLDERS),
                "data": {"validation_fraction": 0.1, "split": "document"},
            },
        }
        self.size_of = cache(self._size_of)
        self._symbols_of = cache(self._count_symbols)

    def new(self, model: Model, *, seed: int, learning_rate: float, steps: int, backend: str) -> sf.Experiment:
        """Return the experiment of a model: Adam with a warmup and a cosine, and one evaluation at the end."""
        return self._build(
            model,
            self.size_of(model),
            experiment={"seed": seed},
            optimizer=sf.use("adam", learning_rate=learning_rate, beta2=0.99),
            schedule=sf.use("cosine", warmup_steps=min(100, steps // 10), final_factor=0.01),
            training={
                "steps": steps,
                "batch_size": BATCH,
                "sequence_length": LENGTH,
                "gradient_clip_norm": 1.0,
                "precision": "float32",
                "device": "cpu",
                "backend": backend,
                "log_interval": steps,
                "checkpoint_interval": steps,
            },
            evaluation={"interval": steps},
            sampling={"interval": steps + 1},
        )

    def count_parameters(self, model: Model, size: int) -> int:
        """Return the number of parameters of a model whose layers have an output of this size."""
        built = build_model(self._build(model, size), self._symbols_of(model.text))
        return sum(parameter.numel() for parameter in built.parameters())

    def _size_of(self, model: Model) -> int:
        """Return the multiple of 4, the number of heads, with which a model is about as large as the others."""
        low, high = 2, 256
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.count_parameters(model, 4 * middle) < PARAMETERS else (low, middle)
        return min(4 * low, 4 * high, key=lambda size: abs(self.count_parameters(model, size) - PARAMETERS))

    def _count_symbols(self, text: str) -> int:
        return prepare(self._build(Model(text, "rnn", "bare"), 8), lambda event: None).vocabulary.size

    def _build(self, model: Model, size: int, **sections: Any) -> sf.Experiment:
        options = dict(VARIANTS.get(model.cell, {"use": model.cell}))
        name, options = options.pop("use"), options | {"hidden_size": size}
        if model.form == "block":
            layer = sf.use(BLOCK, cell=sf.use(name, **options), repeat=LAYERS)
            layers = {"cells": [layer], "embedding_size": size, "final_norm": "rms"}
        else:
            layers = {"cells": [sf.use(name, **options, repeat=LAYERS)]}
        return sf.Experiment(**self._data[model.text], model=layers, **sections)
