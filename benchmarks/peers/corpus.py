"""Preparation of a corpus from an archive of the Linux source: reading documents, encoding, and a few training steps.

Each round is a process of its own, as when you start a run. Otherwise, memory that malloc keeps after a round would
count in the next one.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.worker import Clock


def time_task(clocks: Iterator[Clock], task: str, archive: str, vocabulary: str = "bytes") -> None:
    """Time a task without its imports.

    Args:
        clocks: One clock for each round.
        task: Key of `TASKS`.
        archive: Path of a .tar.xz of the Linux source.
        vocabulary: Component name of the vocabulary.
    """
    for clock in clocks:
        with tempfile.TemporaryDirectory() as cache:
            command = [sys.executable, "-m", "benchmarks.peers.corpus", task, archive, vocabulary]
            environment = {**os.environ, "SEQFORGE_CACHE": cache}
            output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
            clock.seconds = float(output)


def _read(archive: str, vocabulary: str) -> Callable[[], object]:
    """Return a function that reads every .c and .h file as a document."""
    from seqforge import Registry

    registry = Registry.installed()
    corpus: Any = registry.load(registry.find("corpus", "linux-source"))(source=Path(archive), exclude=())
    return lambda: sum(1 for _ in corpus.documents())


def _prepare(archive: str, vocabulary: str) -> Callable[[], object]:
    """Return a function that encodes the archive into token files and syncs them to disk."""
    from seqforge.data.dataset import prepare

    experiment = _experiment(archive, vocabulary)
    return lambda: prepare(experiment, lambda _: None)


def _train(archive: str, vocabulary: str) -> Callable[[], object]:
    """Return a function that encodes the archive and takes ten training steps."""
    from seqforge import train

    experiment = _experiment(archive, vocabulary)
    return lambda: train(experiment, os.environ["SEQFORGE_CACHE"])


def _import_torch(archive: str, vocabulary: str) -> Callable[[], object]:
    """Return a function that takes no time, to measure the memory of the import."""
    import torch

    return torch.get_num_threads


TASKS: dict[str, Callable[[str, str], Callable[[], object]]] = {
    "read": _read,
    "prepare": _prepare,
    "train": _train,
    "import torch": _import_torch,
}
"""Functions from the archive and the vocabulary to the function that is timed."""


def _experiment(archive: str, vocabulary: str) -> Any:
    from seqforge import Experiment

    return Experiment.from_dict(
        {
            "experiment": {"name": "benchmark"},
            "corpus": {"use": "linux-source", "source": archive, "exclude": []},
            "vocabulary": {"use": vocabulary},
            "model": {"cells": [{"use": "lstm", "hidden_size": 128}]},
            "training": {"steps": 10, "device": "cpu"},
            "evaluation": {"tokens": 20_000},
        }
    )


if __name__ == "__main__":
    action = TASKS[sys.argv[1]](*sys.argv[2:])
    with Clock() as clock:
        action()
    print(clock.seconds)
