"""The engine's own loop: `seqforge.train`, with its batches, log and events, paused between rounds."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress

from benchmarks.peers.seqforge_models import TEXT, experiment
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH, SIZES
from benchmarks.worker import Clock
from seqforge import train
from seqforge.events import StepFinished

_REPETITIONS = 80 * BATCH_SIZE * SEQUENCE_LENGTH // len(TEXT)
"""Of the text, so that an epoch has more batches than are read at once."""


class Pacemaker:
    """A callback that lets a run continue for one round at a time.

    Args:
        clocks: One per round; after the last, the run is interrupted.
        steps: Steps of a round.
    """

    def __init__(self, clocks: Iterator[Clock], steps: int) -> None:
        self._clocks = clocks
        self._steps = steps
        self._clock: Clock | None = None

    def on_step_finished(self, event: StepFinished) -> None:
        """Stop the clock after a round's last step, and wait for the next; the first round belongs to the start."""
        if event.step % self._steps:
            return
        if self._clock is not None:
            self._clock.__exit__()
        self._clock = next(self._clocks, None)
        if self._clock is None:
            raise KeyboardInterrupt
        self._clock.__enter__()


def run(clocks: Iterator[Clock], cell: str, size: str, precision: str, backend: str) -> None:
    """Time training steps inside the engine."""
    chosen = experiment(cell, size, precision, text=TEXT * _REPETITIONS, backend=backend)
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        train(chosen, folder, callbacks=[Pacemaker(clocks, SIZES[size].steps)], progress=False)
