"""When a run ends, and how far it has come."""

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
    done = [
        amount / limit
        for amount, limit in (
            (step, training.steps),
            (epoch, training.epochs),
            (seconds, training.minutes and training.minutes * 60),
        )
        if limit
    ]
    return Progress(step, epoch, min(1.0, max(done, default=0.0)))
