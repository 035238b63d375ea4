"""A learning rate that falls by steps."""

import math

from seqforge.interfaces import Progress, Schedule
from seqforge_essentials.schedules.units import After, Every, Factor, Unit, reductions


class Step(Schedule):
    """Multiplies the learning rate by a factor at even distances.

    Zaremba et al. 2014, "Recurrent Neural Network Regularization", halved it each epoch after some at the full rate.

    Args:
        every: From one reduction to the next, in `unit`.
        unit: Whether `every` and `after` count epochs or steps.
        after: Before counting starts, in `unit`; the first reduction comes at `after + every`.
        factor: What each reduction multiplies the learning rate by.
    """

    def __init__(self, every: Every = 1.0, unit: Unit = "epochs", after: After = 0.0, factor: Factor = 0.5) -> None:
        self._every = every
        self._unit = unit
        self._after = after
        self._factor = factor

    def factor(self, progress: Progress) -> float:
        """Give the factor to the power of the whole reductions that are due.

        Args:
            progress: How far the run has come.
        """
        due = reductions(progress, self._unit, self._every, self._after)
        # A division such as 0.3 / 0.1 falls just short of the whole number that is meant.
        return self._factor ** math.floor(due + 1e-9)
