"""Losses of a few short runs, compared with those in `golden_losses.json`, on the backends that run here.

No option writes the file, so that no change of a loss goes unnoticed. After an intended change, copy the values that
the failing test prints.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from seqforge_essentials.cells.lstm import LSTM

from seqforge import Registry, train
from seqforge.kinds import BackendContext, Refusal
from seqforge.model.install_backend import load_backend

GOLDEN = json.loads((Path(__file__).parent / "golden_losses.json").read_text())

RUNS: dict[str, dict[str, Any]] = {
    "lstm, adam": {},
    "gru, adamw, cosine": {
        "model": {"cells": [{"use": "essentials/gru", "hidden_size": 12}]},
        "optimizer": {"use": "adamw"},
        "schedule": {"use": "cosine", "warmup_steps": 3},
    },
    "two rnn, sgd, clipped, uniform": {
        "model": {
            "cells": [{"use": "essentials/rnn", "hidden_size": 12, "repeat": 2}],
            "initializer": {"use": "uniform"},
        },
        "optimizer": {"use": "sgd", "learning_rate": 1.0, "momentum": 0.9},
        "training": {"gradient_clip_norm": 1.0},
    },
    "lstm, rmsprop, embedding": {
        "model": {"cells": [{"use": "essentials/lstm", "hidden_size": 12}], "embedding_size": 6},
        "optimizer": {"use": "rmsprop"},
    },
    "peepholes, dropout, smoothing, accumulation": {
        "model": {"cells": [{"use": "essentials/lstm", "hidden_size": 12, "peepholes": True}], "dropout": 0.3},
        "loss": {"use": "cross-entropy", "label_smoothing": 0.1},
        "training": {"accumulation": 2},
    },
    "mixture, pieces": {
        "corpus": {
            "use": "mixture",
            "corpora": [{"use": "inline", "text": " ".join(map(form, range(600)))} for form in (str, hex)],
            "weights": [0.25, 0.75],
        },
        "data": {"piece_length": 100},
    },
}


BACKENDS = ["native", "onednn", "inductor", *(["cudnn"] if torch.cuda.is_available() else [])]
"""Backends other than eager."""


def losses_of(experiment: Any, tables: dict[str, Any], output: Path) -> list[float]:
    tables = {
        **tables,
        "training": {"log_interval": 4, **tables.get("training", {})},
        "evaluation": {"tokens": 1_000_000},  # all of them
    }
    run = train(experiment(**tables), output)
    return [record["loss"] for record in run.metrics() if record["event"] in ("step", "evaluation")]


@pytest.mark.parametrize("name", RUNS)
def test_losses_equal_the_golden_ones(name: str, experiment: Any, tmp_path: Path) -> None:
    losses = [round(loss, 5) for loss in losses_of(experiment, RUNS[name], tmp_path)]
    # Other processors add in another order. A mistake in a formula causes a far larger difference.
    assert losses == pytest.approx(GOLDEN[name], rel=2e-4)


@pytest.mark.usefixtures("compilable")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [name for name in RUNS if "peepholes" not in name and "mixture" not in name])
def test_losses_on_other_backends_equal_those_of_eager(
    name: str, backend: str, experiment: Any, tmp_path: Path
) -> None:
    device = "cuda" if backend == "cudnn" else "cpu"
    if (found := refusal(backend)) is not None:
        pytest.skip(f"{backend} cannot run it: {found.reason}")
    if backend == "inductor" and "rnn" not in name:
        pytest.skip("compiles for ten seconds; the suite of inductor has an LSTM")
    training = {**RUNS[name].get("training", {}), "backend": backend, "device": device}
    losses = losses_of(experiment, {**RUNS[name], "training": training}, tmp_path)
    assert losses == pytest.approx(GOLDEN[name], rel=1e-3)


def refusal(backend: str) -> Refusal | None:
    """Return why a backend cannot run on this machine, or None."""
    context = BackendContext(torch.device("cuda" if backend == "cudnn" else "cpu"), torch.float32)
    return load_backend(Registry.installed(), backend).refusal(LSTM(3, 4), context)
