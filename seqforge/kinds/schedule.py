"""Learning rate schedules."""

import math
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from seqforge.faults import wrong_result

__all__ = ["Progress", "Schedule"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run.

    Attributes:
        step: Number of optimizer steps done.
        epoch: Number of passes over the training split done, including the fraction of the current pass.
        fraction: Completed fraction of the run, from 0 to 1: the largest of the fractions of the limits in steps,
            epochs and minutes.
    """

    step: int
    epoch: float
    fraction: float


class Schedule(ABC):
    """A function from the progress of a run to a factor of the learning rate.

    A schedule without a state implements only `factor`.
    """

    @abstractmethod
    def factor(self, progress: Progress) -> float:
        """Return the factor, at least 0, by which the optimizer's learning rate is multiplied in the next step.

        It depends on `progress` and on the losses that were observed only.
        """

    def observe(self, validation_loss: float) -> None:
        """Receive the validation loss of an evaluation: nats per token, or the mean loss of labelled examples.

        It may be infinite or NaN. The default ignores it.
        """

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run needs, as plain JSON values. The default is empty.

        Numbers must be finite: use None for a loss that is not known yet.
        """
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` returned in this or another process. The default does nothing."""


def learning_rate_factor(schedule: Schedule, progress: Progress) -> float:
    """Return the factor of a schedule.

    Raises:
        PluginError: If it is not a finite number that is at least 0.
    """
    factor: Any = schedule.factor(progress)
    with suppress(TypeError, ValueError, OverflowError):
        if 0 <= float(factor) < math.inf:
            return float(factor)
    raise wrong_result(schedule.factor, f"returned {factor!r:.60}, not a finite number that is at least 0")
