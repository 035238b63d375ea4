"""Train every cell that is installed, bare and in a block, and compare the losses of held-out text.

A model is two layers, whose size is chosen so that the whole model has about as many parameters as the others. The
learning rate of each model is chosen with a seed of its own; then five other seeds are trained with it.

    python -m benchmarks.compare_cells train experiments/input.txt --results cells.jsonl
    python -m benchmarks.compare_cells times experiments/input.txt --times times.jsonl
    python -m benchmarks.compare_cells train experiments/input.txt --results cells.jsonl --times times.jsonl
    python -m benchmarks.compare_cells show --results cells.jsonl --page docs/results/cells-compared.md

`train` appends a line for each trained model and skips those that the file has, so that it may be interrupted. With the
step times that `times` measured, it trains all models for the same CPU time instead of the same number of characters.
Measure them on a machine that does nothing else.
"""

import argparse
import json
import time
from itertools import product
from pathlib import Path

import torch

from benchmarks.compare_cells.models import Experiments, Model, list_models
from benchmarks.compare_cells.results import Table, next_trial, read_results
from benchmarks.compare_cells.tables import TITLES, draw, new_table
from benchmarks.compare_cells.training import BACKENDS, ROUNDS, StepTimes, fastest, measure_step, read_times, train
from benchmarks.report import replace_tables

STEPS = 1500
"""Training steps of each model for equal characters."""

SECONDS = 15.0
"""CPU time of the training steps of each model for equal time."""


def main() -> None:
    """Read the command line, and train, measure or show."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare_cells",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    for name, command in (("train", train_all), ("times", measure_all), ("show", show)):
        parts = commands.add_parser(name)
        parts.set_defaults(command=command)
        parts.add_argument("--results", type=Path, default=Path("docs/results/cells-compared.jsonl"))
        if name == "show":
            parts.add_argument("--page", type=Path, help="page whose tables are replaced")
            parts.add_argument("--picture", type=Path, help="SVG file of the chart")
            continue
        parts.add_argument("shakespeare", type=Path, help="file with tiny Shakespeare")
        parts.add_argument("--times", type=Path, required=name == "times", help="file with the times of a step")
        parts.add_argument("--cells", nargs="+", help="cells to train (default: all)")
        parts.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so many minutes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.command(arguments)


def train_all(arguments: argparse.Namespace) -> None:
    """Train what the file of results lacks."""
    experiments, models = Experiments(arguments.shakespeare), _models(arguments)
    times: StepTimes = read_times(arguments.times) if arguments.times else {}
    table: Table = "time" if arguments.times else "characters"
    end = time.monotonic() + 60 * arguments.minutes
    while time.monotonic() < end:
        # The file is read again, because another process may append to it.
        trial = next_trial(models, table, read_results(arguments.results))
        if trial is None:
            return
        backend, steps = BACKENDS[0], STEPS
        if trial.table == "time":
            backend, seconds = fastest(times, trial.model)
            steps = round(SECONDS / seconds)
        result = train(experiments, trial, steps, backend)
        _append(arguments.results, result.to_json())


def measure_all(arguments: argparse.Namespace) -> None:
    """Measure the step times that the file of times lacks."""
    experiments, end = Experiments(arguments.shakespeare), time.monotonic() + 60 * arguments.minutes
    finished = read_times(arguments.times)
    for count, model, backend in product(range(ROUNDS), _models(arguments), BACKENDS):
        if len(finished.get((model, backend), ())) <= count and time.monotonic() < end:
            seconds = measure_step(experiments, model, backend)
            line = {"text": model.text, "cell": model.cell, "form": model.form, "backend": backend}
            _append(arguments.times, json.dumps({**line, "seconds": round(seconds, 5)}))


def show(arguments: argparse.Namespace) -> None:
    """Print the tables, write them to the page, and draw the chart."""
    results = read_results(arguments.results)
    tables: tuple[Table, ...] = ("characters", "time")
    found = [new_table(results, table, text) for table in tables for text in TITLES]
    text = "\n\n".join(table.markdown() for table in found if table.rows)
    print(text)
    if arguments.page:
        replace_tables(arguments.page, text)
    if arguments.picture:
        draw(results, arguments.picture)


def _models(arguments: argparse.Namespace) -> list[Model]:
    return [model for model in list_models() if arguments.cells is None or model.cell in arguments.cells]


def _append(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(line + "\n")
    print(line, flush=True)


if __name__ == "__main__":
    main()
