"""Measure the loss of quality in int8: bits per character of a run's validation split, by the generation kernels.

Passes the split through the generation kernel in each precision, in parallel rows, and scores every next symbol. Prints
the increase over float32 with the standard error of the paired difference. The error is computed over spans of the
text, because neighboring symbols are not independent.

    python benchmarks/int8_quality.py RUN [--checkpoint best] [--tokens 200000]
"""

import argparse
import math
from pathlib import Path

import torch
from seqforge_native.generation import NativeGenerationKernel
from torch import Tensor

from seqforge.api import Run
from seqforge.data import evaluation_batches, prepare
from seqforge.interfaces import IGNORED_TARGET
from seqforge.model import Precision, SequenceModel

ROWS, SPAN = 64, 64
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")


def bits(model: SequenceModel, precision: Precision, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the bits of each symbol of a text `[steps, rows]`."""
    model.precision = precision
    rows = inputs.shape[1]
    draws = torch.zeros(1, rows)
    scored: list[Tensor] = []
    with torch.inference_mode():
        kernel = model.generation_kernel(model.initial_states(rows), [], int8=precision == "int8")
        if not isinstance(kernel, NativeGenerationKernel):
            raise SystemExit(f"there are no kernels for this model in {precision}; run `seqforge doctor`")
        for symbols, next_symbols in zip(inputs, targets.clamp_min(0), strict=True):
            kernel(symbols, draws)
            scored.append(-kernel.probabilities.gather(1, next_symbols.unsqueeze(1)).squeeze(1).double().log2())
    return torch.stack(scored)


def main() -> None:
    """Score the run and print the results."""
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
    scored = (targets != IGNORED_TARGET).double()
    model = run.model(arguments.checkpoint, "cpu")
    symbols = int(scored.sum())
    print(f"{arguments.run.name}, {arguments.checkpoint} checkpoint, {symbols:,} symbols of the validation split")
    found = {precision: bits(model, precision, inputs, targets) * scored for precision in PRECISIONS}
    float32_bits = found["float32"].sum()
    for precision, found_bits in found.items():
        by_span = torch.stack([part.sum(0) for part in (found_bits - found["float32"]).split(SPAN)]).flatten()
        error = by_span.std() * math.sqrt(len(by_span)) / float32_bits
        characters = symbols * dataset.characters_per_token("validation")
        rise = (found_bits.sum() / float32_bits - 1).item()
        print(f"{precision:<9} {found_bits.sum() / characters:.5f} bits per character, {rise:+.4%} ± {error:.4%}")


if __name__ == "__main__":
    main()
