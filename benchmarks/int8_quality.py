"""Measure the loss of quality in bfloat16 and int8: bits per character of a run, by the generation kernels.

Passes the validation split through the generation kernel in each precision, in parallel rows, and scores every next
symbol. Prints the increase over float32 with the standard error of the paired difference. The error is computed over
spans of the text, because neighboring symbols are not independent.

    python benchmarks/int8_quality.py RUN [--checkpoint best] [--tokens 200000]
"""

import argparse
import math
from pathlib import Path

import torch
from seqforge_native.generation import NativeGenerationKernel
from torch import Tensor

from seqforge.api.run import Run
from seqforge.data.batches import evaluation_batches
from seqforge.data.dataset import prepare
from seqforge.kinds import IGNORED_TARGET
from seqforge.model.precision import Precision
from seqforge.model.sequence_model import SequenceModel

ROWS, SPAN = 64, 64
"""Number of parallel rows, and symbols in a span."""
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")


def measure_bits(model: SequenceModel, precision: Precision, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the bits of each target, `[steps, rows]`."""
    model.precision = precision
    rows = inputs.shape[1]
    draws = torch.zeros(1, rows)
    symbol_bits: list[Tensor] = []
    with torch.inference_mode():
        kernel, states = model.generation_kernel([], int8=precision == "int8"), model.initial_states(rows)
        if not isinstance(kernel, NativeGenerationKernel):
            raise SystemExit(f"no generation kernel runs this model in {precision}; see `seqforge doctor`")
        for symbols, next_symbols in zip(inputs, targets.clamp_min(0), strict=True):
            _, states = kernel(symbols, states, draws)
            symbol_bits.append(-kernel.probabilities.gather(1, next_symbols.unsqueeze(1)).squeeze(1).double().log2())
    return torch.stack(symbol_bits)


def main() -> None:
    """Score the run in each precision and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--checkpoint", default="best")
    parser.add_argument("--tokens", type=int, default=200_000)
    arguments = parser.parse_args()
    run = Run.open(arguments.run)
    dataset = prepare(run.experiment, lambda _: None)
    spans = dataset.splits["validation"]
    batches = list(evaluation_batches(dataset.token_file, spans, ROWS, SPAN, arguments.tokens))
    if not batches:
        raise SystemExit(f"{arguments.run}: the validation split is empty")
    inputs = torch.cat([batch.inputs for batch in batches])
    targets = torch.cat([batch.targets for batch in batches])
    counted = (targets != IGNORED_TARGET).double()
    model = run.model(arguments.checkpoint, "cpu")
    symbols = int(counted.sum())
    print(f"{arguments.run.name}, {arguments.checkpoint} checkpoint, {symbols:,} symbols of the validation split")
    characters = symbols * dataset.characters_per_token("validation")
    bits_by_precision = {
        precision: measure_bits(model, precision, inputs, targets) * counted for precision in PRECISIONS
    }
    baseline = bits_by_precision["float32"]
    for precision, symbol_bits in bits_by_precision.items():
        by_span = torch.stack([span.sum(0) for span in (symbol_bits - baseline).split(SPAN)]).flatten()
        increase = (symbol_bits.sum() / baseline.sum() - 1).item()
        error = by_span.std() * math.sqrt(len(by_span)) / baseline.sum()
        print(f"{precision:<9} {symbol_bits.sum() / characters:.5f} bits per character, {increase:+.4%} ± {error:.4%}")


if __name__ == "__main__":
    main()
