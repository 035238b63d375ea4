"""The learning rate range test: a run whose learning rate rises from step to step."""

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqforge.api.train import train
from seqforge.errors import NonFiniteError, RunError
from seqforge.events import StepFinished
from seqforge.experiment.experiment import Experiment
from seqforge.kinds import Progress, Schedule
from seqforge.registry.component import use
from seqforge.training.callbacks import Callback

SMOOTHING = 0.9
"""Decay, per step, of the moving average of the loss."""

DIVERGENCE = 2.0
"""The test ends when the average of the loss is this many times its lowest value."""

FEWEST_STEPS = 10
"""Minimum number of steps before the loss grows."""


class Rising(Schedule):
    """A learning rate that grows exponentially from a fraction of the rate to the rate."""

    def __init__(self, lowest: float, steps: int) -> None:
        self._lowest, self._steps = lowest, steps

    def factor(self, progress: Progress) -> float:
        """Return the lowest factor at the first step, and 1 at the last."""
        return self._lowest ** (1 - min(1.0, progress.step / max(1, self._steps - 1)))


class RangeTest(Callback):
    """Records the steps of a run, and ends it at its last step or when the loss grows.

    Attributes:
        rates: Learning rate of each step, ascending.
        losses: Moving average of the training loss of each step, in nats per token.
    """

    def __init__(self, steps: int) -> None:
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._steps, self._sum = steps, 0.0

    @property
    def lowest(self) -> float:
        """Learning rate at which the loss is lowest."""
        return self.rates[int(np.argmin(self.losses))]

    def on_step_finished(self, event: StepFinished) -> None:
        """Record a step."""
        self._sum = SMOOTHING * self._sum + (1 - SMOOTHING) * event.loss
        self.rates.append(event.learning_rate)
        self.losses.append(self._sum / (1 - SMOOTHING ** len(self.rates)))
        if self.losses[-1] > DIVERGENCE * min(self.losses) or event.step == self._steps:
            raise _Ended


class _Ended(BaseException):
    """The test has ended. Other exceptions of a callback do not end a run."""


def run_range_test(
    experiment: Experiment, low: float, high: float, steps: int, callbacks: Sequence[object] = ()
) -> RangeTest:
    """Train while the learning rate rises (Smith 2017, https://arxiv.org/abs/1506.01186), and keep nothing of the run.

    Args:
        experiment: The experiment. Its schedule is not used.
        low: Learning rate of the first step.
        high: Learning rate of the last step.
        steps: Number of optimizer steps. The test ends earlier if the loss grows.
        callbacks: Callbacks, which receive the events of the run.

    Raises:
        ExperimentError: If the optimizer has no option `learning_rate`.
        RunError: If the loss grows or is not finite within the first steps.
    """
    changes: dict[str, Any] = {
        "optimizer": {"learning_rate": high},
        "schedule": use(Rising, lowest=low / high, steps=steps),
        "training": {"steps": steps, "epochs": None, "minutes": None, "log_interval": steps},
        "trackers": [],
        "evaluation": {"interval": steps},
        "sampling": {"interval": steps},
    }
    test = RangeTest(steps)
    ended = contextlib.suppress(_Ended, NonFiniteError)
    with tempfile.TemporaryDirectory(prefix="seqforge-range-test-") as folder, ended:
        train(experiment.with_tables(changes, Path.cwd()), folder, callbacks=[test, *callbacks], progress=False)
    if len(test.losses) < FEWEST_STEPS:
        raise RunError(f"the loss grows from the start, at a learning rate of {low:g}", hint="Begin with a lower rate.")
    return test
