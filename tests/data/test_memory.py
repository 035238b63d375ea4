"""Memory does not grow with the corpus: a process encodes and reads 64 MB, and prints how its peak memory grew."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

MEGABYTE = 1_000_000
SIZE = 64 * MEGABYTE
BOUND = 16 * MEGABYTE
"""Bytes for one document, the index and the reserve of the allocator: a quarter of the corpus."""

SCRIPT = """
import resource, sys
from seqforge.data.batches import TrainingBatches, evaluation_batches
from seqforge.data.splits import mix, split
from made_corpora import Generated, encode

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def read(count):
    token_file = encode(Generated(count, 64_000), sys.argv[1])
    spans = split(token_file, "document", 0.5, 0.0)
    batches = TrainingBatches(token_file, mix(spans["training"], token_file, {}), 32, 100, 0, True)
    for step in range(0, batches.steps_per_epoch, max(1, batches.steps_per_epoch // 100)):
        batches.batch(step)
    for batch in evaluation_batches(token_file, spans["validation"], 32, 1000):
        pass
    return token_file.length

read(20)  # Import everything and allocate every buffer.
before = peak()
length = read(int(sys.argv[2]))
print(length, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the peak in kilobytes")
@pytest.mark.parametrize("vocabulary", ["bytes", "characters"])
def test_memory_does_not_grow_with_the_corpus(made: ModuleType, vocabulary: str):
    folder = Path(str(made.__file__)).parent
    arguments = [sys.executable, "-c", SCRIPT, vocabulary, str(SIZE // 64_000)]
    finished = subprocess.run(arguments, cwd=folder, check=True, capture_output=True, text=True)
    length, growth = map(int, finished.stdout.split())
    assert length > 0.9 * SIZE
    assert growth < BOUND
