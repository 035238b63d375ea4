"""Losses of a few short runs, kept in a file: a refactoring that changes one shows itself.

`pytest tests/training/test_golden_losses.py --write-golden` would hide what it should show, so there is no such option:
after a change that is meant, edit `golden_losses.json` by the values that the failing test prints.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from seqforge import train

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
    "cudnn lstm, rmsprop, embedding": {
        "model": {"cells": [{"use": "cudnn/lstm", "hidden_size": 12}], "embedding_size": 6},
        "optimizer": {"use": "rmsprop"},
    },
    "peepholes, dropout, smoothing, accumulation": {
        "model": {"cells": [{"use": "essentials/lstm", "hidden_size": 12, "peepholes": True}], "dropout": 0.3},
        "loss": {"use": "cross-entropy", "label_smoothing": 0.1},
        "training": {"accumulation": 2},
    },
}


@pytest.mark.parametrize("name", RUNS)
def test_losses_are_as_they_were(name: str, experiment: Any, tmp_path: Path) -> None:
    tables = {**RUNS[name], "training": {"log_interval": 4, **RUNS[name].get("training", {})}}
    run = train(experiment(**tables), tmp_path)
    losses = [round(record["loss"], 5) for record in run.metrics() if record["event"] in ("step", "evaluation")]
    # Other processors sum in another order; a mistake in a formula is far larger than this.
    assert losses == pytest.approx(GOLDEN[name], rel=2e-4)
