"""Single layers without a model: a cell on a backend, and layers of other libraries of the same size."""

import importlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import seqforge as sf
from benchmarks.peers import seqforge_models
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH
from benchmarks.worker import Clock
from seqforge import Registry
from seqforge.errors import PluginError
from seqforge.kinds import BackendContext, Cell
from seqforge.model.install_backend import install_backend

WIDTH = 512
"""Features of the input and of the output."""

BLOCKS, BLOCK_WIDTH = 6, 256
"""Layers of the model that is sampled."""


def train(clocks: Iterator[Clock], cell: str, backend: str, steps: int) -> None:
    """Time forward and backward passes of a cell under autocast to bfloat16.

    Raises:
        PluginError: If the backend cannot run the cell on this machine.
    """
    layer, registry = _new_cell(cell), Registry.installed()
    chosen = registry.load(registry.find("backend", backend))()
    context = BackendContext(torch.device("cpu"), torch.bfloat16)
    if (reason := chosen.unsupported(layer, context)) is not None:
        raise PluginError(f"{backend} cannot run {cell}: {reason}")
    install_backend(chosen, layer, context)
    _time_passes(clocks, layer, lambda inputs: layer(inputs, layer.initial_state(BATCH_SIZE))[0], steps)


def train_projection(clocks: Iterator[Clock], cell: str, steps: int) -> None:
    """Time the same of the projection of the input alone, which a cell cannot do without."""
    layer: Any = _new_cell(cell)
    _time_passes(clocks, layer, layer.project, steps)


def train_torch(clocks: Iterator[Clock], steps: int) -> None:
    """Time the same of `nn.LSTM`."""
    layer = nn.LSTM(WIDTH, WIDTH)
    _time_passes(clocks, layer, lambda inputs: layer(inputs)[0], steps)


def train_mlstm_kernels(clocks: Iterator[Clock], steps: int) -> None:
    """Time the same of an mLSTM with the recurrence of `mlstm-kernels`; projection and norm are those of seqforge.

    Raises:
        PluginError: If the library is not installed.
    """
    try:
        library: Any = importlib.import_module("mlstm_kernels.torch.chunkwise.native")
    except ModuleNotFoundError as error:
        raise PluginError(f"{error.name} is not installed") from error
    layer: Any = _new_cell("mlstm")

    def forward(inputs: Tensor) -> Tensor:
        projected = layer.project(inputs)
        q, k, v, _, i, f = layer.split(projected)
        q, k, v = (layer.split_heads(part).permute(1, 2, 0, 3).contiguous() for part in (q, k, v))
        i, f = (gate.permute(1, 2, 0).contiguous() for gate in (i, f))
        reads = library.mlstm_chunkwise__native_autograd(q, k, v, i, f, chunk_size=SEQUENCE_LENGTH // 4)
        features = torch.cat([projected, projected.new_zeros(*projected.shape[:2], 3 * layer.heads)], -1)
        reads = nn.functional.pad(reads.permute(2, 0, 1, 3), (0, 1), value=1.0)
        return layer.readout(reads.float(), None, features)

    _time_passes(clocks, layer, forward, steps)


def train_long(clocks: Iterator[Clock], cell: str, length: int) -> None:
    """Train a model of one layer with sequences of a length, recomputed in parts of 1,000 steps, for its memory."""
    experiment = seqforge_models.experiment(
        cell,
        "S",
        text=seqforge_models.TEXT * (3 * length // len(seqforge_models.TEXT) + 1),
        batch_size=1,
        sequence_length=length,
        recompute_every=1000,
        steps=2,
        backend="native",
    )
    for clock in clocks:
        with clock, tempfile.TemporaryDirectory() as folder:
            sf.train(experiment, output=folder, progress=False)


def sample(clocks: Iterator[Clock], cell: str, backend: str, draws: int) -> None:
    """Time sampling one stream from a stack of blocks around a cell, in float32."""
    layer = {"use": "gated-deltanet-block", "cell": {"use": cell, "hidden_size": BLOCK_WIDTH}, "repeat": BLOCKS}
    table = {
        "corpus": {"use": "inline", "text": seqforge_models.TEXT},
        "model": {"cells": [layer], "embedding_size": BLOCK_WIDTH, "final_norm": "rms"},
        "training": {"backend": backend, "device": "cpu"},
    }
    seqforge_models.time_samples(clocks, sf.Experiment.from_dict(table), 1, draws)


def _new_cell(name: str) -> Cell[Any]:
    torch.manual_seed(0)
    registry = Registry.installed()
    make: Any = registry.load(registry.find("cell", name))
    return make(WIDTH, WIDTH)


def _time_passes(clocks: Iterator[Clock], layer: nn.Module, forward: Callable[[Tensor], Tensor], steps: int) -> None:
    inputs = torch.randn(SEQUENCE_LENGTH, BATCH_SIZE, WIDTH, requires_grad=True)
    for clock in clocks:
        with clock:
            for _ in range(steps):
                layer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16):
                    outputs = forward(inputs)
                outputs.float().square().mean().backward()
