"""A run that is interrupted and resumed is bit-identical to an uninterrupted one."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from seqforge import Registry, Run, train, use
from seqforge.kinds import Cell, Optimizer, StepFinished
from seqforge.runs.backends import read_backends
from seqforge.runs.checkpoint_files import MODEL, TRAINING
from seqforge.runs.metrics_log import read_metrics

CELLS: dict[str, list[dict[str, Any]]] = {
    "rnn": [{"use": "essentials/rnn", "hidden_size": 8, "repeat": 2}],
    "relu rnn": [{"use": "essentials/rnn", "hidden_size": 8, "nonlinearity": "relu"}],
    "gru": [{"use": "essentials/gru", "hidden_size": 8, "repeat": 2}],
    "reset-before-gru": [{"use": "essentials/reset-before-gru", "hidden_size": 8}],
    "lstm": [{"use": "essentials/lstm", "hidden_size": 8, "repeat": 2}],
    "lstm, peepholes, coupled": [
        {"use": "essentials/lstm", "hidden_size": 8, "peepholes": True, "coupled_gates": True}
    ],
    "onednn: rnn": [{"use": "rnn", "hidden_size": 8, "repeat": 2}],
    "onednn: gru": [{"use": "gru", "hidden_size": 8, "repeat": 2}],
    "onednn: lstm": [{"use": "lstm", "hidden_size": 8, "repeat": 2}],
    "onednn: different layers": [{"use": "gru", "hidden_size": 6}, {"use": "lstm", "hidden_size": 10}],
    "native: lstm": [{"use": "essentials/lstm", "hidden_size": 8, "repeat": 2}],
    "native: gru": [{"use": "essentials/gru", "hidden_size": 20}],
    "native: rnn": [{"use": "essentials/rnn", "hidden_size": 20}],
    "native: program": [{"use": "essentials/lstm", "hidden_size": 8, "peepholes": True}],
    "inductor: lstm": [{"use": "essentials/lstm", "hidden_size": 12}],
    "min-gru": [{"use": "parallel-cells/min-gru", "hidden_size": 8, "repeat": 2}],
    "min-lstm": [{"use": "parallel-cells/min-lstm", "hidden_size": 8, "repeat": 2}],
}
"""Layers by name. The name begins with their backend, unless that is `eager`."""


class InterruptAt:
    """A callback that interrupts the run at one step, by SIGTERM, since background jobs of a shell ignore SIGINT."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_finished(self, event: StepFinished) -> None:
        if event.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def train_until(experiment: Any, output: Path, step: int, registry: Registry) -> Run:
    with pytest.raises(KeyboardInterrupt) as caught:
        train(experiment, output, callbacks=[InterruptAt(step)])
    path = next(output.iterdir())
    saved = f"the checkpoint of step {step:,} is saved"
    assert str(caught.value) == f"interrupted by SIGTERM; {saved}. To continue: seqforge.Run.open('{path}').resume()"
    return Run.open(path, registry=registry)


def without_times(run: Run) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in record.items() if key != "seconds"}
        for record in read_metrics(run.directory.metrics)
    ]


def assert_same_bits(resumed: Run, whole: Run, step: int) -> None:
    for file in (MODEL, TRAINING):
        ours, theirs = (run.checkpoints.path(step) / file for run in (resumed, whole))
        assert ours.read_bytes() == theirs.read_bytes(), file
    assert without_times(resumed) == without_times(whole)
    samples = sorted(path.name for path in whole.directory.samples.iterdir())
    assert samples == sorted(path.name for path in resumed.directory.samples.iterdir())
    for name in samples:
        assert (resumed.directory.samples / name).read_text() == (whole.directory.samples / name).read_text()


@pytest.mark.usefixtures("compilable")
@pytest.mark.parametrize("name", CELLS)
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(
    name: str, experiment: Any, tmp_path: Path, registry: Registry
) -> None:
    backend = name.partition(":")[0] if ":" in name else "eager"
    # Dropout draws random numbers; step 8 is in the middle of an epoch, and between two evaluations and samples.
    training = {"steps": 12, "log_interval": 1, "backend": backend}
    chosen = experiment(model={"cells": CELLS[name], "dropout": 0.4}, training=training)
    whole = train(chosen, tmp_path / "whole")
    stopped = train_until(chosen, tmp_path / "stopped", 8, registry)
    assert stopped.checkpoints.steps()[-1] == 8
    assert read_backends(stopped.path) == read_backends(whole.path)
    Run.open(stopped.path, registry=registry).resume()
    assert_same_bits(stopped, whole, 12)


@pytest.mark.parametrize(
    "tables",
    [
        {"schedule": {"use": "plateau", "patience": 1}, "evaluation": {"interval": 2}},
        {"schedule": {"use": "cosine", "warmup_steps": 4}},
        {"training": {"average_decay": 0.9, "steps": 12, "batch_size": 4, "sequence_length": 16}},
        {
            "training": {"average_decay": 1.0, "average_after": 1, "steps": 12},
            "optimizer": {"use": "sgd", "learning_rate": 30.0},
            "evaluation": {"interval": 2},
        },
        {"optimizer": {"use": "sgd", "learning_rate": 0.1, "momentum": 0.9}},
        {"optimizer": {"use": "rmsprop"}},
        {"optimizer": {"use": "schedule-free"}},
        {"optimizer": {"use": "adagrad"}},
        {"training": {"accumulation": 3, "batch_size": 2, "steps": 12, "sequence_length": 10}},
        {"vocabulary": {"use": "bytes"}, "model": {"embedding_size": 5, "dropout": 0.5}},
        {
            "model": {
                "cells": [{"use": "block", "cell": {"use": "gru", "hidden_size": 6}, "stochastic_depth": 0.3}],
                "embedding_size": 8,
                "dropout": 0.3,
                "dropout_mask": "sequence",
                "input_dropout": 0.2,
                "embedding_dropout": 0.1,
                "weight_drop": 0.5,
                "activation_penalty": 2.0,
                "temporal_activation_penalty": 1.0,
            },
            "training": {"recompute_every": 7},
        },
    ],
    ids=lambda tables: next(iter(tables)),
)
def test_every_part_of_the_state_is_resumed(
    tables: dict[str, Any], experiment: Any, tmp_path: Path, registry: Registry
) -> None:
    chosen = experiment(**tables)
    whole = train(chosen, tmp_path / "whole")
    stopped = train_until(chosen, tmp_path / "stopped", 7, registry)
    Run.open(stopped.path, registry=registry).resume()
    assert_same_bits(stopped, whole, 12)


class Adafactor(Optimizer):
    """An optimizer that stores other tensors for a matrix than for a vector."""

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        return torch.optim.Adafactor(parameters, lr=0.1)


class NoState(NamedTuple):
    """The state of a cell without memory."""


class Memoryless(Cell[NoState]):
    """A layer whose outputs depend on the input of the same step only."""

    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.weight = nn.Parameter(torch.zeros(hidden_size, input_size))

    def initial_state(self, batch_size: int) -> NoState:
        return NoState()

    def step(self, projected: torch.Tensor, state: NoState) -> tuple[torch.Tensor, NoState]:
        return torch.tanh(nn.functional.linear(projected, self.weight)), state


@pytest.mark.parametrize(
    "tables", [{"optimizer": use(Adafactor)}, {"model": {"cells": [use(Memoryless)]}}], ids=["optimizer", "cell"]
)
def test_components_with_an_unusual_state_are_resumed(tables: dict[str, Any], experiment: Any, tmp_path: Path) -> None:
    chosen = experiment(**tables)
    whole = train(chosen, tmp_path / "whole")
    stopped = train_until(chosen, tmp_path / "stopped", 7, chosen.registry)
    stopped.resume()
    assert_same_bits(stopped, whole, 12)


def test_a_run_interrupted_at_the_end_of_an_epoch_is_bit_identical(
    experiment: Any, tmp_path: Path, registry: Registry
) -> None:
    chosen = experiment(training={"epochs": 2.5, "batch_size": 8, "sequence_length": 40}, evaluation={"interval": 100})
    whole = train(chosen, tmp_path / "whole")
    last = whole.checkpoints.steps()[-1]
    steps_per_epoch = round(last / 2.5)
    stopped = train_until(chosen, tmp_path / "stopped", steps_per_epoch, registry)
    Run.open(stopped.path, registry=registry).resume()
    assert_same_bits(stopped, whole, last)


def test_a_run_can_be_made_longer(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    """Resuming with more steps equals a run that had them from the start."""
    whole = train(experiment(training={"steps": 16, "keep_checkpoints": 9}), tmp_path / "whole")
    short = train(experiment(training={"steps": 12, "keep_checkpoints": 9}), tmp_path / "short")
    Run.open(short.path, ["training.steps=16"], registry).resume()
    for file in (MODEL, TRAINING):
        assert (short.checkpoints.path(16) / file).read_bytes() == (whole.checkpoints.path(16) / file).read_bytes()
    assert short.experiment.training.steps == 12
    assert Run.open(short.path, registry=registry).experiment.training.steps == 16


def test_training_does_not_change_the_global_random_state(experiment: Any, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(experiment(), tmp_path)
    assert torch.equal(torch.rand(3), expected)
