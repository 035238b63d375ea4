"""Train every cell that comes with seqforge on the same text, with the same number of parameters and of characters.

A model is two layers of one cell, and its hidden size is chosen so that the whole model has as many parameters as the
others. Each cell is trained with each learning rate, for the same number of steps; the run with the lowest loss counts.
The last tenth of the text is held out. The speed is the CPU time of a training step of one thread, so that other
programs hardly change it.

    python benchmarks/compare_cells.py experiments/input.txt --results cells.jsonl
    python benchmarks/compare_cells.py --results cells.jsonl --picture cells.svg

The first command appends one line for each trained model, and skips those that the file has. The second one prints the
table, and draws the curves.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.figure import Figure

import seqforge as sf
from seqforge.events import RunStarted, StepFinished

CELLS: dict[str, dict[str, Any]] = {
    "rnn": {"use": "rnn"},
    "gru": {"use": "gru"},
    "reset-before-gru": {"use": "reset-before-gru"},
    "lstm": {"use": "lstm"},
    "lstm, peepholes": {"use": "lstm", "peepholes": True},
    "min-gru": {"use": "min-gru"},
    "min-lstm": {"use": "min-lstm"},
    "ind-rnn": {"use": "ind-rnn"},
    "sru": {"use": "sru"},
}
"""Cells, and what selects them in an experiment."""
LAYERS, PARAMETERS = 2, 180_000
BATCH, LENGTH = 32, 32
RATES = [0.003, 0.01, 0.03]


def count_parameters(cell: dict[str, Any], hidden_size: int, symbols: int) -> int:
    """Return the number of parameters of a model: the layers and the head."""
    registry = sf.Registry.installed()
    make_cell = registry.load(registry.find("cell", cell["use"]))
    options = {name: value for name, value in cell.items() if name != "use"}
    sizes = [symbols, *[hidden_size] * (LAYERS - 1)]
    cells = [make_cell(size, hidden_size, **options) for size in sizes]
    return sum(tensor.numel() for cell in cells for tensor in cell.parameters()) + (hidden_size + 1) * symbols


def choose_size(cell: dict[str, Any], symbols: int) -> int:
    """Return the hidden size, a multiple of 8, whose number of parameters is nearest to that of the others."""
    return min(range(32, 513, 8), key=lambda size: abs(count_parameters(cell, size, symbols) - PARAMETERS))


class Observer(sf.Callback):
    """The number of parameters of a run, its backends, and the CPU time between two of its training steps."""

    def __init__(self) -> None:
        self.parameters = 0
        self.backends: tuple[str, ...] = ()
        self.seconds: list[float] = []
        self._last = time.process_time()

    def on_run_started(self, event: RunStarted) -> None:
        """Record what the model consists of."""
        self.parameters, self.backends = event.parameters, event.backends

    def on_step_finished(self, event: StepFinished) -> None:
        """Record the time since the last step. A median is not affected by the few steps with an evaluation."""
        now = time.process_time()
        self.seconds.append(now - self._last)
        self._last = now


def train(text: Path, name: str, learning_rate: float, steps: int) -> dict[str, Any]:
    """Train one model, and return its results."""
    cell = dict(CELLS[name])
    hidden_size = choose_size(cell, symbols=len(set(text.read_text("utf-8"))))
    experiment = sf.Experiment(
        corpus=sf.use("text", files=[text]),
        model={"cells": [sf.use(cell.pop("use"), **cell, hidden_size=hidden_size, repeat=LAYERS)]},
        optimizer=sf.use("adam", learning_rate=learning_rate, beta2=0.99),
        schedule=sf.use("cosine", warmup_steps=100, final_factor=0.01),
        data={"validation_fraction": 0.1},
        training={
            "steps": steps,
            "batch_size": BATCH,
            "sequence_length": LENGTH,
            "gradient_clip_norm": 1.0,
            "device": "cpu",
        },
        evaluation={"interval": max(1, steps // 6)},
        sampling={"interval": steps + 1},
    )
    observer = Observer()
    with tempfile.TemporaryDirectory() as folder:
        run = sf.train(experiment, output=folder, callbacks=[observer], progress=False)
        evaluations = [record for record in run.metrics() if record["event"] == "evaluation"]
    return {
        "cell": name,
        "learning_rate": learning_rate,
        "hidden_size": hidden_size,
        "parameters": observer.parameters,
        "backends": observer.backends,
        "characters": [record["step"] * BATCH * LENGTH for record in evaluations],
        "bits_per_character": [record["bits_per_character"] for record in evaluations],
        "characters_per_second": BATCH * LENGTH / statistics.median(observer.seconds),
    }


def read_results(file: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of results; none if it does not exist."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def best_of_each(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the result with the lowest loss of each cell, the lowest first."""
    best: dict[str, dict[str, Any]] = {}
    for result in sorted(results, key=lambda result: result["bits_per_character"][-1]):
        best.setdefault(result["cell"], result)
    return list(best.values())


def print_table(results: list[dict[str, Any]]) -> None:
    """Print a Markdown table with one row for each cell.

    The speed is that of the fastest run of a cell, since the first run may be too short to compile a kernel.
    """
    rates = sorted({result["learning_rate"] for result in results})
    print("| cell | hidden size | parameters |", *(f"rate {rate:g} |" for rate in rates), "characters/s |")
    print("|---|---:|---:|" + "---:|" * len(rates) + "---:|")
    for best in best_of_each(results):
        of_cell = {result["learning_rate"]: result for result in results if result["cell"] == best["cell"]}
        bits = [f"{of_cell[rate]['bits_per_character'][-1]:.3f}" if rate in of_cell else "–" for rate in rates]
        marked = [
            f"**{text}**" if rate == best["learning_rate"] else text for rate, text in zip(rates, bits, strict=True)
        ]
        speed = max(result["characters_per_second"] for result in of_cell.values())
        row = [f"`{best['cell']}`", f"2 × {best['hidden_size']}", f"{best['parameters']:,}", *marked, f"{speed:,.0f}"]
        print(f"| {' | '.join(row)} |")


def draw(results: list[dict[str, Any]], picture: Path) -> None:
    """Draw the curve of the best learning rate of each cell."""
    mpl.rcParams.update({"svg.hashsalt": "seqforge", "svg.fonttype": "none", "font.family": "sans-serif"})
    figure = Figure(figsize=(8.6, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for number, result in enumerate(best_of_each(results)):
        characters = [count / 1e6 for count in result["characters"]]
        axes.plot(
            characters,
            result["bits_per_character"],
            label=f"{result['cell']}  {result['bits_per_character'][-1]:.2f}",
            color=f"C{number}",
            linestyle="-" if number % 2 == 0 else "--",
        )
    axes.set(xlabel="million characters read", ylabel="held-out bits per character")
    axes.grid(alpha=0.3)
    figure.legend(frameon=False, loc="outside right center")
    figure.savefig(picture, metadata={"Date": None})


def main() -> None:
    """Train what the file of results lacks, or show what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="?", help="the text; without it, show the results")
    parser.add_argument("--results", type=Path, default=Path("cells.jsonl"))
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    parser.add_argument("--rates", nargs="+", type=float, default=RATES)
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = read_results(arguments.results)
    if arguments.text:
        finished = {(result["cell"], result["learning_rate"]) for result in results}
        for name, rate in [(name, rate) for name in arguments.cells for rate in arguments.rates]:
            if (name, rate) not in finished:
                result = train(arguments.text.resolve(), name, rate, arguments.steps)
                results.append(result)
                with arguments.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
                print(f"{name}, {rate}: {result['bits_per_character'][-1]:.3f} bits per character", flush=True)
    print_table(results)
    if arguments.picture:
        draw(results, arguments.picture)


if __name__ == "__main__":
    main()
