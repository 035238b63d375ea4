"""The work at intervals of a run: which of it is due."""

from typing import Literal

from seqforge.experiment.experiment import Experiment
from seqforge.experiment.interval import parse_interval
from seqforge.kinds import Progress

FIRST_SAMPLE_SECONDS = 20.0
"""Training time after which the first sample is drawn at the latest, if samples are drawn at parts of the run."""

Work = Literal["evaluation", "checkpoint", "sampling"]


class Intervals:
    """The intervals of an experiment, and how many of each have ended in a run.

    Args:
        experiment: The experiment.
        progress: Progress of the run at which the intervals are counted for the first time.
        seconds: Training time of the run.
    """

    def __init__(self, experiment: Experiment, progress: Progress, seconds: float) -> None:
        self._intervals: dict[Work, int | str] = {
            "evaluation": experiment.evaluation.interval,
            "checkpoint": experiment.training.checkpoint_interval,
            "sampling": experiment.sampling.interval,
        }
        self._counts = self._count(progress, seconds)

    def find_due(self, progress: Progress, seconds: float) -> set[Work]:
        """Return the work whose interval has ended since the last call."""
        before, self._counts = self._counts, self._count(progress, seconds)
        return {work for work, count in self._counts.items() if count > before[work]}

    def _count(self, progress: Progress, seconds: float) -> dict[Work, int]:
        counts: dict[Work, int] = {
            work: count_intervals(interval, progress, seconds) for work, interval in self._intervals.items()
        }
        if str(self._intervals["sampling"]).endswith("%") and seconds >= FIRST_SAMPLE_SECONDS:
            counts["sampling"] = max(counts["sampling"], 1)
        return counts


def count_intervals(interval: int | str, progress: Progress, seconds: float) -> int:
    """Return how many intervals have ended since the start of a run.

    Args:
        interval: Number of steps, or a text such as "20s" or "10%".
        progress: Progress of the run.
        seconds: Training time of the run.
    """
    if isinstance(interval, int):
        return progress.step // interval
    amount, unit = parse_interval(interval)
    # A tenth of a run of 2,000 steps ends at step 600 too, where 0.3 / 0.1 is less than 3.
    return int((100 * progress.fraction if unit == "%" else seconds) / amount + 1e-9)
