"""The progress of a run: what is due at intervals, why it ends, and hints about what to do then."""

import math
from typing import Literal

from seqforge.errors import NonFiniteError, quote_path
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.settings import Training, parse_interval
from seqforge.kinds import Progress
from seqforge.registry.local_plugins import plugin_options
from seqforge.registry.registry import Registry
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory

FIRST_SAMPLE_SECONDS = 20.0
"""Training time after which the first sample is drawn at the latest, if samples are drawn at parts of the run."""

Work = Literal["evaluation", "checkpoint", "sampling"]


def measure_progress(training: Training, step: int, steps_per_epoch: int | float, seconds: float) -> Progress:
    """Return the progress of a run, from its steps and its training time."""
    epoch = step / steps_per_epoch
    fractions = _limit_fractions(training, step, epoch, seconds)
    return Progress(step, epoch, min(1.0, max(fractions.values(), default=0.0)))


def run_limits(training: Training, steps_per_epoch: int | float) -> tuple[float, float]:
    """Return the number of optimizer steps and of seconds after which a run must end; infinity if there is no limit."""
    steps = float(training.steps or math.inf)
    epochs = training.epochs * steps_per_epoch if training.epochs else math.inf
    return float(min(steps, epochs)), 60.0 * training.minutes if training.minutes else math.inf


def find_end(training: Training, progress: Progress, stale_evaluations: int) -> str | None:
    """Return why a run is at its end, or None if it is not."""
    if progress.fraction >= 1:
        return "reached the end that [training] sets"
    if training.patience is not None and stale_evaluations >= training.patience:
        return f"stopped early: {stale_evaluations} evaluations without a new best loss"
    return None


def advise_longer_training(training: Training, progress: Progress, seconds: float) -> str:
    """Return a hint with the limits that a run at its end has reached, and how to raise them."""
    fractions = _limit_fractions(training, progress.step, progress.epoch, seconds)
    keys = [key for key, fraction in fractions.items() if fraction >= 1] or ["patience"]
    python = f", or training={{{', '.join(f'{key!r}: …' for key in keys)}}} in Python"
    limits = ", ".join(f"training.{key} = {getattr(training, key)}" for key in keys)
    return f"The limit is {limits}. To train longer: {' '.join(f'--set training.{key}=…' for key in keys)}{python}"


def advise_resuming(directory: RunDirectory, registry: Registry, program: str = "seqforge") -> str:
    """Return a hint with the latest checkpoint and how to resume it; empty if there is no checkpoint.

    The command begins with the program, and names the files of components of the registry that are from files.

    Raises:
        RunError: If the checkpoints cannot be listed.
    """
    steps = Checkpoints(directory.checkpoints).steps()
    if not steps:
        return ""
    command = f"{program} run --resume {quote_path(directory.path)}{plugin_options(registry)}"
    return f"The checkpoint of step {steps[-1]:,} is saved. To resume: {command}"


def describe_divergence(
    error: NonFiniteError, experiment: Experiment, checkpoints: Checkpoints, step: int
) -> NonFiniteError:
    """Return the error of a step that is not finite, with the step and a hint that names the last good checkpoint."""
    # The checkpoint of the current step has the parameters that led to the error.
    good = [earlier for earlier in checkpoints.steps() if earlier < step]
    clips = experiment.training.gradient_clip_norm is not None
    if good:
        path = checkpoints.path(good[-1])
        advice = (
            f"The last good checkpoint is {path}. Resume from it with a lower learning rate"
            f"{'' if clips else ' and clipped gradients'}:\n"
        )
        clipping = "" if clips else " --set training.gradient_clip_norm=1.0"
        command = f"seqforge run --resume {quote_path(path)}{plugin_options(experiment.registry)}"
        hint = f"{advice}{command} --set optimizer.learning_rate=…{clipping}"
    elif step == 0:  # No update has changed a parameter.
        names = " or ".join(dict.fromkeys(cell.name for cell in experiment.components["cell"]))
        hint = f"The initial weights, a cell or the loss cause it. To check a cell: seqforge plugins check {names}"
    else:
        remedy = "check that the states stay bounded" if clips else "set training.gradient_clip_norm = 1.0"
        hint = f"There is no earlier checkpoint. Lower optimizer.learning_rate, or {remedy}."
    return NonFiniteError(f"step {step + 1}: {error.message}", hint=hint)


def _limit_fractions(training: Training, step: int, epoch: float, seconds: float) -> dict[str, float]:
    """Return the completed fraction of each limit that is set, by its key in `[training]`."""
    amounts = {"steps": step, "epochs": epoch, "minutes": seconds / 60}
    return {key: amount / limit for key, amount in amounts.items() if (limit := getattr(training, key))}


class Intervals:
    """The intervals of an experiment, and how many of each have ended in a run.

    The first count is that at the given progress and training time, in seconds, of the run.
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
    """Return how many intervals, such as 500 steps, "20s" or "10%", have ended in the training time of a run."""
    if isinstance(interval, int):
        return progress.step // interval
    amount, unit = parse_interval(interval)
    # The addend corrects rounding: in floating point, 0.3 / 0.1 is less than 3, although three tenths have ended.
    return int((100 * progress.fraction if unit == "%" else seconds) / amount + 1e-9)
