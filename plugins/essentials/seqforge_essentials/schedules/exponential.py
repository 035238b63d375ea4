"""A learning rate that falls by the same share throughout."""

from seqforge.interfaces import Progress, Schedule
from seqforge_essentials.schedules.units import After, Every, Factor, Unit, reductions


class Exponential(Schedule):
    """Multiplies the learning rate by a factor over even distances, a little on each step.

    Args:
        every: Over how long the whole factor works, in `unit`.
        unit: Whether `every` and `after` count epochs or steps.
        after: Before the fall starts, in `unit`.
        factor: What the learning rate is multiplied by over each `every`; char-rnn's is 0.97 an epoch.
    """

    def __init__(self, every: Every = 1.0, unit: Unit = "epochs", after: After = 0.0, factor: Factor = 0.97) -> None:
        self._every = every
        self._unit = unit
        self._after = after
        self._factor = factor

    def factor(self, progress: Progress) -> float:
        """Give the factor to the power of the reductions that are due, in fractions.

        Args:
            progress: How far the run has come.
        """
        return self._factor ** reductions(progress, self._unit, self._every, self._after)
