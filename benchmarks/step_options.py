"""The processor time that options of regularization and averages, and Lion instead of Adam, add to an optimizer step.

All options take turns in each round, so that anything that slows the machine slows all of them, and the time is that of
the processor. Other programs only make it longer, so that the shortest round of each option is compared.

    python benchmarks/step_options.py [--rounds 20] [--hidden 640] [--threads 1]
"""

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from seqforge import Experiment
from seqforge.data.batches import Batch
from seqforge.model.choose_backend import choose_backends
from seqforge.model.measure_backends import BatchShape
from seqforge.runs.training_state import average_weights, new_training_state
from seqforge.tasks.language_model import text_losses
from seqforge.training.step import train_step

SYMBOLS, ROWS, STEPS = 65, 32, 64
"""Vocabulary of tiny Shakespeare, and shape of a batch."""

STEPS_OF_A_ROUND = 3

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "none, again": {},
    "dropout of steps": {"model": {"dropout": 0.4}},
    "dropout of sequences": {"model": {"dropout": 0.4, "dropout_mask": "sequence"}},
    "input dropout of sequences": {"model": {"input_dropout": 0.4, "dropout_mask": "sequence"}},
    "embedding dropout": {"model": {"embedding_dropout": 0.1}},
    "weight drop": {"model": {"weight_drop": 0.5}},
    "activation penalties": {"model": {"activation_penalty": 2.0, "temporal_activation_penalty": 1.0}},
    "average of the weights": {"training": {"average_decay": 0.999}},
    "mean of the weights": {"training": {"average_decay": 1.0}},
    "lion": {"optimizer": {"use": "lion", "learning_rate": 1e-5}},
    "warmup-stable-decay": {"schedule": {"use": "warmup-stable-decay", "warmup_steps": 100}},
}


def new_round(options: Mapping[str, Any], hidden_size: int) -> Callable[[], float]:
    """Return a function that takes some steps with options, and returns their processor time in seconds."""
    table: dict[str, Any] = {
        "corpus": {"use": "inline", "text": "hello"},
        "model": {"embedding_size": 64, "cells": [{"use": "lstm", "hidden_size": hidden_size, "repeat": 2}]},
        "optimizer": {"use": "adam", "learning_rate": 1e-4},
        "training": {"gradient_clip_norm": 1.0, "backend": "native"},
    }
    for name, values in options.items():
        table[name] = {**table.get(name, {}), **values}
    experiment = Experiment.from_dict(table)
    state = new_training_state(experiment, SYMBOLS, torch.device("cpu"), carried_batches=1)
    choose_backends(state.model, experiment.registry, BatchShape(STEPS, ROWS), backend="native")
    loss = experiment.loss.build()
    tokens = torch.randint(SYMBOLS, (STEPS + 1, ROWS))
    batch = Batch(tokens[:-1], tokens[1:], continues=True)

    def run() -> float:
        began = time.process_time()
        for _ in range(STEPS_OF_A_ROUND):
            train_step(state, text_losses(state, [batch], loss), 1.0, 1.0)
            average_weights(state, experiment.training)
        return time.process_time() - began

    return run


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="measured rounds (default: 20)")
    parser.add_argument("--hidden", type=int, default=640, help="hidden units of each layer (default: 640)")
    parser.add_argument("--threads", type=int, default=1, help="number of threads (default: 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rounds = {name: new_round(options, arguments.hidden) for name, options in OPTIONS.items()}
    for run in rounds.values():  # The first round warms up.
        run()
    times: dict[str, list[float]] = {name: [] for name in OPTIONS}
    for _ in range(arguments.rounds):
        for name, run in rounds.items():
            times[name].append(run())
    plain = min(times["none"])
    print(f"A step without options: {1000 * plain / STEPS_OF_A_ROUND:.1f} ms of processor time\n")
    print("| option | more than a step without options |\n|---|---:|")
    for name, seconds in times.items():
        print(f"| {name} | {100 * (min(seconds) / plain - 1):.1f}% |")


if __name__ == "__main__":
    main()
