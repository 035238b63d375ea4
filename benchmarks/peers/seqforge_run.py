"""`seqforge.train`, with its batches, log and events, paused between rounds."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress

from benchmarks.peers.seqforge_models import TEXT, experiment
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH, SIZES
from benchmarks.worker import Clock
from seqforge import train
from seqforge.events import StepFinished

_REPETITIONS = 80 * BATCH_SIZE * SEQUENCE_LENGTH // len(TEXT)
"""Repetitions of the text. An epoch then has more batches than are read at once."""


class PauseBetweenRounds:
    """Callback that pauses a run after each round.

    Args:
        clocks: One clock for each round. After the last one, the run is interrupted.
        steps: Training steps in a round.
    """

    def __init__(self, clocks: Iterator[Clock], steps: int) -> None:
        self._clocks = clocks
        self._steps = steps
        self._clock: Clock | None = None

    def on_step_finished(self, event: StepFinished) -> None:
        """Stop the clock after the last step of a round, and wait for the next one. The first round is not timed."""
        if event.step % self._steps:
            return
        if self._clock is not None:
            self._clock.__exit__()
        self._clock = next(self._clocks, None)
        if self._clock is None:
            raise KeyboardInterrupt
        self._clock.__enter__()


def run(clocks: Iterator[Clock], cell: str, size: str, precision: str, backend: str) -> None:
    """Time training steps of `seqforge.train`."""
    chosen = experiment(cell, size, precision, text=TEXT * _REPETITIONS, backend=backend)
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        train(chosen, folder, callbacks=[PauseBetweenRounds(clocks, SIZES[size].steps)], progress=False)
