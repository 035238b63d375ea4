"""When a run ends, and how far it has come."""

import math

from seqforge.experiment import Training
from seqforge.interfaces import Progress


def progress_of(training: Training, step: int, steps_per_epoch: int | float, seconds: float) -> Progress:
    """Measure how far a run has come.

    Args:
        training: Says how long the run is: in steps, epochs or minutes, whichever comes first.
        step: Optimizer steps done.
        steps_per_epoch: Optimizer steps of one pass over the training split.
        seconds: Training time so far.
    """
    epoch = step / steps_per_epoch
    done = _shares(training, step, epoch, seconds)
    return Progress(step, epoch, min(1.0, max(done.values(), default=0.0)))


def run_limits(training: Training, steps_per_epoch: float) -> tuple[float, float]:
    """Return the optimizer steps and the seconds after which a run ends at the latest; infinity for no limit.

    Args:
        training: Settings of the run.
        steps_per_epoch: Optimizer steps of one pass over the training split.
    """
    steps = training.steps or math.inf
    epochs = training.epochs * steps_per_epoch if training.epochs else math.inf
    return min(steps, epochs), 60 * training.minutes if training.minutes else math.inf


def reached(training: Training, progress: Progress, seconds: float) -> list[str]:
    """Name the keys of `[training]` whose limits a run has reached.

    Args:
        training: Says how long the run is.
        progress: How far it is.
        seconds: Training time so far.
    """
    shares = _shares(training, progress.step, progress.epoch, seconds)
    return [f"training.{key}" for key, share in shares.items() if share >= 1]


def _shares(training: Training, step: int, epoch: float, seconds: float) -> dict[str, float]:
    amounts = {"steps": step, "epochs": epoch, "minutes": seconds / 60}
    return {key: amount / limit for key, amount in amounts.items() if (limit := getattr(training, key))}
