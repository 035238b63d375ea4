"""The growth of the peak memory of a process that encodes and reads a corpus."""

import resource
from pathlib import Path

from made_corpora import Generated, encode

from seqforge.data.batches import TrainingBatches, evaluation_batches
from seqforge.data.splits import mix, split


def measure(vocabulary: str, count: int, output: Path) -> None:
    """Write the number of tokens of a corpus of many documents, and the bytes by which it makes the peak grow."""
    read(20, vocabulary)  # Import everything and allocate every buffer.
    before = peak()
    length = read(count, vocabulary)
    output.write_text(f"{length} {peak() - before}")


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read(count: int, vocabulary: str) -> int:
    token_file = encode(Generated(count, 64_000), vocabulary)
    spans = split(token_file, "document", 0.5, 0.0)
    batches = TrainingBatches(token_file, mix(spans["training"], token_file, {}), 32, 100, 0, True)
    for step in range(0, batches.steps_per_epoch, max(1, batches.steps_per_epoch // 100)):
        batches.batch(step)
    for _ in evaluation_batches(token_file, spans["validation"], 32, 1000):
        pass
    return token_file.length
