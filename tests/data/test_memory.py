"""Memory does not grow with the corpus: a process encodes and reads 64 MB, and writes how its peak memory grew."""

import importlib
import os
import sys
from pathlib import Path

import pytest
from fork_server import call, start_process

MEGABYTE = 1_000_000
SIZE = 64 * MEGABYTE
BOUND = 16 * MEGABYTE
"""Bytes for one document, the index and the reserve of the allocator: a quarter of the corpus."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the peak in kilobytes")
@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("vocabulary", ["bytes", "characters"])
def test_memory_does_not_grow_with_the_corpus(vocabulary: str, tmp_path: Path):
    output = tmp_path / "output"
    measure = importlib.import_module("peak_memory").measure
    process = start_process(call, dict(os.environ), measure, vocabulary, SIZE // 64_000, output)
    process.join()
    length, growth = map(int, output.read_text().split())
    assert length > 0.9 * SIZE
    assert growth < BOUND
