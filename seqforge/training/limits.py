"""The limits that end a run: steps, epochs and training time."""

import math

from seqforge.experiment import Training
from seqforge.kinds import Progress


def measure_progress(training: Training, step: int, steps_per_epoch: int | float, seconds: float) -> Progress:
    """Return the progress of a run, from its steps and its training time."""
    epoch = step / steps_per_epoch
    fractions = limit_fractions(training, step, epoch, seconds)
    return Progress(step, epoch, min(1.0, max(fractions.values(), default=0.0)))


def run_limits(training: Training, steps_per_epoch: int | float) -> tuple[float, float]:
    """Return the number of optimizer steps and of seconds after which a run must end; infinity if there is no limit."""
    steps = float(training.steps or math.inf)
    epochs = training.epochs * steps_per_epoch if training.epochs else math.inf
    return float(min(steps, epochs)), 60.0 * training.minutes if training.minutes else math.inf


def find_end(training: Training, progress: Progress, stale_evaluations: int) -> str | None:
    """Return why a run is at its end, or None if it is not.

    Args:
        training: Settings with the limits.
        progress: Progress of the run.
        stale_evaluations: Number of evaluations since the lowest loss.
    """
    if progress.fraction >= 1:
        return "reached the end that [training] sets"
    if training.patience is not None and stale_evaluations >= training.patience:
        return f"stopped early: {stale_evaluations} evaluations without a new best loss"
    return None


def limit_fractions(training: Training, step: int, epoch: float, seconds: float) -> dict[str, float]:
    """Return the completed fraction of each limit that is set, by its key in `[training]`."""
    amounts = {"steps": step, "epochs": epoch, "minutes": seconds / 60}
    return {key: amount / limit for key, amount in amounts.items() if (limit := getattr(training, key))}
