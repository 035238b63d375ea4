"""A study: some tasks × cells × seeds, each of them a run. Its accuracies are those of its last evaluation.

Its page is a table of tasks and cells, and curves of the accuracy by length.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

import jinja2
import tomli_w

from seqforge.api.run import Run
from seqforge.errors import RunError
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.tables import override
from seqforge.kinds import Numbers
from seqforge.registry.local_plugins import plugin_options
from seqforge.registry.registry import Registry
from seqforge.runs.history import read_state
from seqforge.runs.metrics_log import METRICS, read_metrics
from seqforge.storage.files import reported_failures, write_atomically
from seqforge_formal.tasks import TASKS

CELLS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        **{name: {"use": name} for name in ("rnn", "gru", "lstm", "slstm", "min-gru", "rg-lru")},
        **{name: {"use": name} for name in ("mlstm", "mamba-2", "gated-deltanet", "rwkv-7")},
        "gated-deltanet-negative": {"use": "gated-deltanet", "negative_eigenvalues": True},
    }
)
"""The cells of a study by default. Any other name is that of an installed cell, and CELL+BLOCK is a cell in a block."""

QUICK_CELLS = ("lstm", "min-gru")
"""The cells of a quick study by default: one whose gates read the state, and one whose gates do not."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A run of a study.

    Attributes:
        seed: Seed of the weights and of the examples.
        tables: Tables of the experiment.
        folder: Run directory.
    """

    task: str
    cell: str
    seed: int
    tables: dict[str, Any]
    folder: Path

    @property
    def is_finished(self) -> bool:
        """Whether the run has reached its end."""
        return self.folder.exists() and read_state(self.folder)[0] == "finished"

    def experiment(self, registry: Registry) -> Experiment:
        """Return the experiment.

        Raises:
            ExperimentError: If the cell is not installed, or a setting is wrong.
        """
        return Experiment.from_dict(self.tables, Path.cwd(), registry, origin="the command line")


def plan(
    tasks: Sequence[str], cells: Sequence[str], seeds: int, steps: int, assignments: Sequence[str], folder: Path
) -> list[Trial]:
    """Return the trials of a study, the first seed of all tasks and cells first."""
    trials: list[Trial] = []
    for seed in range(1, seeds + 1):
        for task in tasks:
            for cell in cells:
                tables = override(_tables(task, cell, seed, steps), assignments)
                trials.append(Trial(task, cell, seed, tables, folder / cell / task / f"seed-{seed}"))
    return trials


def _tables(task: str, cell: str, seed: int, steps: int) -> dict[str, Any]:
    has_numbers = isinstance(TASKS[task].spec.target, Numbers)
    name, plus, block = cell.partition("+")
    layers = TASKS[task].layers
    layer = {**CELLS.get(name, {"use": name}), "hidden_size": 128 // layers}
    if plus:
        layer = {"use": block, "cell": layer}
    return {
        "experiment": {"name": f"seed-{seed}", "seed": seed},
        "corpus": {"use": "formal-task", "task": task},
        "model": {"embedding_size": 64, "cells": [{**layer, "repeat": layers}]},
        "loss": {"use": "mean-squared-error" if has_numbers else "cross-entropy"},
        "optimizer": {"use": "adam", "learning_rate": 0.003},
        "schedule": {"use": "cosine"},
        "training": {"batch_size": 64, "steps": steps, "gradient_clip_norm": 1.0, "device": "cpu"},
        "evaluation": {"interval": "100%"},
        "sampling": {"interval": "100%"},
        "metrics": [{"use": "by-length", "measure": "prefix" if TASKS[task].by_prefix else "input"}],
    }


def check(trials: Sequence[Trial], registry: Registry) -> None:
    """Check every trial before the first one runs.

    Raises:
        ExperimentError: If a cell is not installed, or a setting is wrong.
        RunError: If the folder of the study has a run with other settings.
    """
    for trial in trials:
        if trial.folder.exists():
            found = Run.open(trial.folder, registry=registry).experiment
            if found.table != trial.experiment(registry).table:
                raise RunError(f"{trial.folder} has other settings", hint="Name another folder with --output.")
        elif trial.seed == 1:  # Others differ from it in the seed only.
            trial.experiment(registry)


def run_trials(trials: Sequence[Trial], workers: int, registry: Registry) -> Iterator[tuple[Trial, str]]:
    """Run trials, several at once. A trial that is interrupted is saved, and the next call resumes it.

    Yields:
        Each trial that has ended, with the error because of which it did not reach its end, or "".
    """
    with ThreadPoolExecutor(workers) as threads:
        waiting = {threads.submit(_run, trial, registry): trial for trial in trials}
        try:
            for finished in as_completed(waiting):
                yield waiting[finished], finished.result()
        finally:
            threads.shutdown(cancel_futures=True)


def _run(trial: Trial, registry: Registry) -> str:
    """Train or resume a run by a command of its own, which Ctrl-C reaches too, and return its error."""
    if trial.folder.exists():
        arguments = ["--resume", str(trial.folder)]
    else:
        file = trial.folder.with_suffix(".toml")
        with reported_failures(f"writing {file}"):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, tomli_w.dumps(trial.tables).encode())
        arguments = [str(file), "--output", str(file.parent)]
    command = [sys.executable, "-m", "seqforge", "run", *arguments, *shlex.split(plugin_options(registry))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # The other cores have other trials.
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603 - it is this program
    return ended.stderr[ended.stderr.find("error: ") :].strip() if ended.returncode else ""


def read_accuracies(trials: Sequence[Trial]) -> dict[tuple[str, str, int], list[float]]:
    """Return the accuracies of the seeds, ascending, by task, cell and upper limit of the range of lengths."""
    accuracies: dict[tuple[str, str, int], list[float]] = {}
    for trial in trials:
        if trial.is_finished:
            records = read_metrics(trial.folder / METRICS)
            last = next(record for record in reversed(records) if record["event"] == "evaluation")
            for name, value in last.items():
                if name.startswith("by-length.to_"):
                    key = trial.task, trial.cell, int(name.rpartition("_")[2])
                    accuracies[key] = sorted([*accuracies.get(key, []), value])
    return accuracies


def write_page(accuracies: Mapping[tuple[str, str, int], list[float]], path: Path) -> None:
    """Write the page of accuracies, those of `read_accuracies`.

    Raises:
        RunError: If it cannot be written.
    """
    tasks, cells, limits = (dict.fromkeys(key[part] for key in accuracies) for part in range(3))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("seqforge_formal", ""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("page.html.jinja").render(
        accuracies=accuracies, tasks={task: TASKS[str(task)] for task in tasks}, cells=list(cells),
        limits=sorted(limits), median=median,
    )  # fmt: skip
    with reported_failures(f"writing {path}"):
        write_atomically(path, page.encode())
