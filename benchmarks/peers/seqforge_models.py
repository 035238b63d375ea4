"""Models of seqforge, built from an experiment as `seqforge run` builds them."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from benchmarks.peers import torch_training
from benchmarks.sizes import BATCH_SIZE, CLIP_NORM, SEQUENCE_LENGTH, SIZES, SYMBOLS
from benchmarks.worker import Clock
from seqforge import Experiment, Registry
from seqforge.errors import ExperimentError, PluginError
from seqforge.generation.generator import generate
from seqforge.kinds import Vocabulary
from seqforge.model.build import build_model
from seqforge.model.choose_backend import choose_backends
from seqforge.model.measure_backends import BatchShape
from seqforge.model.precision import Precision
from seqforge.runs.training_state import new_training_state

TEXT = "".join(map(chr, range(SYMBOLS)))
"""Text that contains each symbol of the models once."""


def experiment(
    cell: str,
    size: str,
    precision: str = "float32",
    text: str = TEXT,
    cell_options: Mapping[str, Any] | None = None,
    **training: Any,
) -> Experiment:
    """Return an experiment that trains on a CPU until it is interrupted.

    Args:
        cell: Component name of the cell.
        size: Name of the model size.
        precision: Precision of matrix products.
        text: Training text.
        cell_options: Options of the cell except its size.
        training: Further settings of `[training]`.

    Raises:
        PluginError: If the cell is not installed.
    """
    chosen = SIZES[size]
    registry = Registry.installed()
    registry.find("cell", cell)
    never = 1_000_000_000
    table = {
        "experiment": {"name": "benchmark"},
        "corpus": {"use": "inline", "text": text},
        "vocabulary": {"use": "characters"},
        "model": {"cells": [{"use": cell, "hidden_size": chosen.hidden_size, **(cell_options or {})}] * chosen.layers},
        "optimizer": {"use": "adam", "learning_rate": 1e-3},
        "training": {
            "batch_size": BATCH_SIZE,
            "sequence_length": SEQUENCE_LENGTH,
            "gradient_clip_norm": CLIP_NORM,
            "checkpoint_interval": never,
            "device": "cpu",
            "steps": never,
            "precision": precision,
            **training,
        },
        "evaluation": {"interval": never},
        "sampling": {"interval": never},
    }
    return Experiment.from_dict(table, registry=registry)


def train(
    clocks: Iterator[Clock],
    cell: str,
    size: str,
    precision: str,
    backend: str,
    cell_options: Mapping[str, Any] | None = None,
) -> None:
    """Time training steps of a seqforge model in a bare loop.

    Raises:
        PluginError: If the backend cannot run the cell on this machine.
    """
    chosen = experiment(cell, size, precision, cell_options=cell_options, backend=backend)
    model = new_training_state(chosen, SYMBOLS, torch.device("cpu")).model
    try:
        choose_backends(model, chosen.registry, BatchShape(SEQUENCE_LENGTH, BATCH_SIZE), backend=backend)
    except ExperimentError as error:
        raise PluginError(error.message) from error
    torch_training.train(
        clocks,
        model,
        lambda tokens: model(tokens, model.initial_states(tokens.shape[1]))[0],
        SIZES[size].steps,
        precision,
    )


def sample(
    clocks: Iterator[Clock], cell: str, size: str, batch_size: int, precision: Precision, draws: int, backend: str
) -> None:
    """Time sampling with seqforge's generator and the default samplers of an experiment.

    Raises:
        PluginError: If `precision` is int8 and the backend has no kernels for it on this machine.
    """
    time_samples(clocks, experiment(cell, size, backend=backend), batch_size, draws, precision)


def time_samples(
    clocks: Iterator[Clock], chosen: Experiment, batch_size: int, draws: int, precision: Precision = "float32"
) -> None:
    """Time sampling from the model of an experiment; `sample` has the errors."""
    model = build_model(chosen, SYMBOLS).eval()
    model.precision = precision
    if precision == "int8" and model.generation_kernel([], int8=True) is None:
        raise PluginError(f"the backend {chosen.training.backend} has no int8 kernels on this machine")
    vocabulary: Vocabulary = chosen.vocabulary.build()
    vocabulary.learn([TEXT.encode()])
    prompt = torch.zeros(1, dtype=torch.int64)
    for seed, clock in enumerate(clocks):
        samplers = [sampler.build() for sampler in chosen.samplers]
        with clock:
            for _ in generate(model, vocabulary, samplers, prompt, count=batch_size, length=draws, seed=seed):
                pass
