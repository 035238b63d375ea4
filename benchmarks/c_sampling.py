"""Measure the CPU time on one core that the samplers of `code-structure` add to sampling.

The benchmark alternates between sampling without a sampler, with `balanced` and with `scoped`, symbol by symbol and, if
the model has a generation kernel, many symbols per call. Each round draws other samples. The benchmark measures the
models of the given runs. Without a run, it measures models of two sizes with random weights and a vocabulary of bytes.
Such a model opens brackets at random and ever deeper. The benchmark prints the mean times, and the ratio of the sums.
Python collects garbage as it does in the commands of seqforge.

    python benchmarks/c_sampling.py [RUN …] [--rounds 7] [--length 4000]
"""

import argparse
import statistics
import time
from collections.abc import Iterator

import torch
from seqforge_c_samplers.checked import Balanced, Scoped
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.samplers import Temperature
from seqforge_essentials.vocabularies import Bytes
from torch import Tensor

from seqforge.api.run import Run
from seqforge.cli import collect_old_objects_rarely
from seqforge.generation.generator import encode_prompt, generate
from seqforge.kinds import Sampler, Vocabulary
from seqforge.model.input import OneHotInput
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack

COUNTS = (1, 8, 100)
PROMPT = "}\n\nstatic int "


class UncompiledTemperature(Sampler):
    """A temperature without a generation kernel, so that sampling is symbol by symbol."""

    _temperature = Temperature()

    def transform(self, logits: Tensor, memory: None) -> Tensor:
        """Return the logits, divided by the temperature."""
        return self._temperature.transform(logits, memory)


def measure_seconds(
    model: SequenceModel, vocabulary: Vocabulary, samplers: list[Sampler], count: int, length: int, seed: int
) -> float:
    """Return the CPU time in seconds that it takes to draw `count` samples of `length` symbols."""
    prompt = encode_prompt(vocabulary, PROMPT)
    start = time.process_time()
    for _ in generate(model, vocabulary, samplers, prompt, count=count, length=length, seed=seed):
        pass
    return time.process_time() - start


def open_models(runs: list[str], settings: list[str]) -> Iterator[tuple[str, SequenceModel, Vocabulary]]:
    """Yield the name, model and vocabulary of each run, or of two models with random weights if there is no run."""
    for name in runs:
        run = Run.open(name, settings)
        yield name, run.model("best", "cpu"), run.vocabulary()
    for layers, size in () if runs else ((1, 128), (3, 512)):
        cells = [LSTM(size if layer else 256, size) for layer in range(layers)]
        yield f"{layers} × LSTM {size}", SequenceModel(OneHotInput(256), RecurrentStack(cells), 256), Bytes()


def main() -> None:
    """Measure the times, and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="run directory or model, such as linux-small")
    parser.add_argument("--rounds", type=int, default=7, help="number of measurements with and without (default: 7)")
    parser.add_argument("--length", type=int, default=4000, help="symbols of each sample (default: 4000)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of the experiments, such as training.backend=native",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    collect_old_objects_rarely()
    for name, model, vocabulary in open_models(arguments.runs, arguments.set):
        modes: dict[str, Sampler] = {"symbol by symbol": UncompiledTemperature()}
        if model.generation_kernel([]) is not None:
            modes["by kernel"] = Temperature()
        for mode, temperature in modes.items():
            for count in COUNTS:
                chains: dict[str, list[Sampler]] = {
                    "without": [temperature],
                    "balanced": [Balanced(), temperature],
                    "scoped": [Scoped(), temperature],
                }
                times: dict[str, list[float]] = {variant: [] for variant in chains}
                for chain in chains.values():
                    measure_seconds(model, vocabulary, chain, count, 300, arguments.rounds)
                for seed in range(arguments.rounds):
                    for variant, chain in chains.items():
                        seconds = measure_seconds(model, vocabulary, chain, count, arguments.length, seed)
                        times[variant].append(seconds)
                for variant, values in times.items():
                    ratio = sum(values) / sum(times["without"])
                    step = 1e6 * statistics.mean(values) / arguments.length
                    print(f"{name}, {mode}, {count}, {variant}: {step:.1f} µs per step, {100 * (ratio - 1):+.1f}%")


if __name__ == "__main__":
    main()
