"""What the sampler `code-structure/balanced` adds to the time that sampling takes, in CPU time on one core.

Alternates sampling with and without it, for models of two sizes with random weights over the vocabulary of bytes; the
prompt opens a few brackets. Prints the median of each, and of their ratios.

    python benchmarks/c_sampling.py [--rounds 5]
"""

import argparse
import statistics
import time

import torch
from seqforge_code_structure.samplers.balanced import Balanced
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.samplers.temperature import Temperature
from seqforge_essentials.vocabularies.bytes import Bytes

from seqforge.generation import encode_prompt, generate
from seqforge.interfaces import Sampler
from seqforge.model import OneHotInput, RecurrentStack, SequenceModel

COUNT, LENGTH = 8, 500


def seconds(model: SequenceModel, samplers: list[Sampler]) -> float:
    """Draw samples once."""
    prompt = encode_prompt(Bytes(), "int f(void)\n{\n\tg(a[")
    start = time.process_time()
    for _ in generate(model, Bytes(), samplers, prompt, count=COUNT, length=LENGTH, seed=1):
        pass
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    for layers, size in ((1, 128), (3, 512)):
        cells = [LSTM(size if layer else 256, size) for layer in range(layers)]
        model = SequenceModel(OneHotInput(256), RecurrentStack(cells, 0.0), 256)
        plain, balanced = [], []
        for _ in range(rounds):
            plain.append(seconds(model, [Temperature()]))
            balanced.append(seconds(model, [Balanced(), Temperature()]))
        ratio = statistics.median(with_it / without for with_it, without in zip(balanced, plain, strict=True))
        print(
            f"{layers} × LSTM {size}, {COUNT} samples of {LENGTH}: {statistics.median(plain):.2f} s, "
            f"with it {statistics.median(balanced):.2f} s, {100 * (ratio - 1):+.1f}%"
        )


if __name__ == "__main__":
    main()
