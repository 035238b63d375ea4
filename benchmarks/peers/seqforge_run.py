"""The engine's own loop: `seqforge.train`, with its batches, log and events, paused between rounds."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress

from benchmarks.peers.seqforge_models import TEXT, experiment
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH, SIZES
from benchmarks.worker import Clock
from seqforge import train
from seqforge.interfaces import StepFinished

_REPETITIONS = 80 * BATCH_SIZE * SEQUENCE_LENGTH // len(TEXT)
"""Of the text, so that an epoch has as many batches as are read at once, and more."""


class Pacemaker:
    """Watches a run, and lets it go on for one round at a time.

    Args:
        clocks: One a round; with the last, the run is interrupted.
        steps: Of a round.
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


def run(clocks: Iterator[Clock], cell: str, size: str, precision: str) -> None:
    """Time training steps inside the engine."""
    pacemaker = Pacemaker(clocks, SIZES[size].steps)
    chosen = experiment(cell, size, precision, text=TEXT * _REPETITIONS)
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        train(chosen, folder, callbacks=[pacemaker])
