"""Measure the CPU time on one core that the samplers of `code-structure` add to sampling.

The benchmark alternates between sampling without a sampler, with `balanced` and with `scoped`, symbol by symbol and, if
the model has a generation kernel, many symbols per call. The benchmark measures the models of the given runs. Without
a run, it measures models of two sizes with random weights and a vocabulary of bytes. Such a model opens brackets at
random and ever deeper. The benchmark prints the median times and the median of their ratios.

    python benchmarks/c_sampling.py [RUN …] [--rounds 7] [--length 2000]
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from seqforge_code_structure.samplers.balanced import Balanced
from seqforge_code_structure.samplers.scoped import Scoped
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.samplers import Temperature
from seqforge_essentials.vocabularies import Bytes
from torch import Tensor

from seqforge.api import Run
from seqforge.generation import encode_prompt, generate
from seqforge.interfaces import Sampler, Vocabulary
from seqforge.model import OneHotInput, RecurrentStack, SequenceModel

COUNTS = (1, 8, 100)
PROMPT = "}\n\nstatic int "


class UncompiledTemperature(Sampler):
    """A temperature without a generation kernel, so that sampling is symbol by symbol."""

    _temperature = Temperature()

    def transform(self, logits: Tensor, memory: None) -> Tensor:
        """Return the logits, divided by the temperature."""
        return self._temperature.transform(logits, memory)


def measure_seconds(
    model: SequenceModel, vocabulary: Vocabulary, samplers: list[Sampler], count: int, length: int
) -> float:
    """Return the CPU time in seconds that it takes to draw `count` samples of `length` symbols."""
    prompt = encode_prompt(vocabulary, PROMPT)
    start = time.process_time()
    for _ in generate(model, vocabulary, samplers, prompt, count=count, length=length, seed=1):
        pass
    return time.process_time() - start


def open_models(runs: list[Path], settings: list[str]) -> Iterator[tuple[str, SequenceModel, Vocabulary]]:
    """Yield the name, model and vocabulary of each run, or of two models with random weights if there is no run."""
    for path in runs:
        run = Run.open(path, settings)
        yield path.name, run.model("best", "cpu"), run.vocabulary()
    for layers, size in () if runs else ((1, 128), (3, 512)):
        cells = [LSTM(size if layer else 256, size) for layer in range(layers)]
        yield f"{layers} × LSTM {size}", SequenceModel(OneHotInput(256), RecurrentStack(cells, 0.0), 256), Bytes()


def main() -> None:
    """Measure the times, and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="run directory, such as runs/first-run")
    parser.add_argument("--rounds", type=int, default=7, help="number of measurements with and without (default: 7)")
    parser.add_argument("--length", type=int, default=2000, help="symbols of each sample (default: 2000)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of the experiments, such as model.cells.0.backend=native",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, model, vocabulary in open_models(arguments.runs, arguments.set):
        modes: dict[str, Sampler] = {"symbol by symbol": UncompiledTemperature()}
        if model.generation_kernel(model.initial_states(1), []) is not None:
            modes["by kernel"] = Temperature()
        for mode, temperature in modes.items():
            for count in COUNTS:
                chains: dict[str, list[Sampler]] = {
                    "without": [temperature],
                    "balanced": [Balanced(), temperature],
                    "scoped": [Scoped(), temperature],
                }
                times: dict[str, list[float]] = {variant: [] for variant in chains}
                for _ in range(arguments.rounds):
                    for variant, chain in chains.items():
                        times[variant].append(measure_seconds(model, vocabulary, chain, count, arguments.length))
                for variant, values in times.items():
                    ratio = statistics.median(
                        value / without for value, without in zip(values, times["without"], strict=True)
                    )
                    step = 1e6 * statistics.median(values) / arguments.length
                    print(f"{name}, {mode}, {count}, {variant}: {step:.1f} µs per step, {100 * (ratio - 1):+.1f}%")


if __name__ == "__main__":
    main()
