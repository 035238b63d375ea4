"""CPU time on one core that the sampler `code-structure/balanced` adds to sampling.

Alternates sampling with and without it, symbol by symbol and, if the model has a generation kernel, many symbols per
call. Uses the models of the given runs. Without a run, it uses models of two sizes with random weights over the
vocabulary of bytes, which generate noise, so that brackets open at random and ever deeper. Prints the median times and
the median of their ratios.

    python benchmarks/c_sampling.py [RUN …] [--rounds 7] [--length 2000]
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from seqforge_code_structure.samplers.balanced import Balanced
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


class Stepping(Sampler):
    """A temperature that no kernel supports."""

    _temperature = Temperature()

    def transform(self, logits: Tensor, memory: None) -> Tensor:
        """Divide logits by the temperature."""
        return self._temperature.transform(logits, memory)


def seconds(model: SequenceModel, vocabulary: Vocabulary, samplers: list[Sampler], count: int, length: int) -> float:
    """Return the CPU time of drawing samples once."""
    prompt = encode_prompt(vocabulary, PROMPT)
    start = time.process_time()
    for _ in generate(model, vocabulary, samplers, prompt, count=count, length=length, seed=1):
        pass
    return time.process_time() - start


def models(runs: list[Path], settings: list[str]) -> Iterator[tuple[str, SequenceModel, Vocabulary]]:
    """Yield the name, the model and the vocabulary of each run, or of models with random weights."""
    for path in runs:
        run = Run.open(path, settings)
        yield path.name, run.model("best", "cpu"), run.vocabulary()
    for layers, size in () if runs else ((1, 128), (3, 512)):
        cells = [LSTM(size if layer else 256, size) for layer in range(layers)]
        yield f"{layers} × LSTM {size}", SequenceModel(OneHotInput(256), RecurrentStack(cells, 0.0), 256), Bytes()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--length", type=int, default=2000)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the experiments"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, model, vocabulary in models(arguments.runs, arguments.set):
        modes: dict[str, Sampler] = {"symbol by symbol": Stepping()}
        if model.generation_kernel(model.initial_states(1), []) is not None:
            modes["by kernel"] = Temperature()
        for mode, temperature in modes.items():
            for count in COUNTS:
                chains = {"without": [temperature], "with": [Balanced(), temperature]}
                taken: dict[str, list[float]] = {which: [] for which in chains}
                for _ in range(arguments.rounds):
                    for which, chain in chains.items():
                        taken[which].append(seconds(model, vocabulary, chain, count, arguments.length))
                ratio = statistics.median(
                    with_it / without for with_it, without in zip(taken["with"], taken["without"], strict=True)
                )
                without, with_it = (1e6 * statistics.median(times) / arguments.length for times in taken.values())
                print(
                    f"{name}, {mode}, {count} × {arguments.length:,}: {without:.2f} µs per step, "
                    f"with it {with_it:.2f} µs, {100 * (ratio - 1):+.1f}%"
                )


if __name__ == "__main__":
    main()
