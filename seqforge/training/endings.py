"""Why a run ends, and hints about what to do then: train longer, or resume it after an error."""

import math

from seqforge.errors import NonFiniteError, open_in_python, quote_path
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.settings import Training
from seqforge.kinds import Progress
from seqforge.registry import Registry, plugin_options
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.runs.verification import run_folder


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


def advise_longer_training(training: Training, progress: Progress, seconds: float) -> tuple[str, str]:
    """Return a hint with the limits that a run at its end has reached, and how to raise them.

    Returns:
        The hint for the command line, and the hint for Python.
    """
    fractions = _limit_fractions(training, progress.step, progress.epoch, seconds)
    keys = [key for key, fraction in fractions.items() if fraction >= 1] or ["patience"]
    limits = ", ".join(f"training.{key} = {getattr(training, key)}" for key in keys)
    advice, settings = f"The limit is {limits}. To train longer: ", ", ".join(f'"{key}": …' for key in keys)
    assignments = " ".join(f"--set training.{key}=…" for key in keys)
    return f"{advice}{assignments}", f"{advice}run.resume(training={{{settings}}})"


def advise_resuming(directory: RunDirectory, registry: Registry) -> tuple[str, str]:
    """Return a hint with the latest checkpoint and how to resume it; empty if there is no checkpoint.

    Args:
        directory: The run directory.
        registry: Registered components, some of which may be from files that the command must name again.

    Returns:
        The hint for the command line, and the hint for Python.

    Raises:
        RunError: If the checkpoints cannot be listed.
    """
    steps = Checkpoints(directory.checkpoints).steps()
    if not steps:
        return "", ""
    advice = f"The checkpoint of step {steps[-1]:,} is saved. To resume: "
    command = f"seqforge run --resume {quote_path(directory.path)}{plugin_options(registry)}"
    return f"{advice}{command}", f"{advice}{open_in_python(directory.path)}.resume()"


def describe_divergence(
    error: NonFiniteError, experiment: Experiment, checkpoints: Checkpoints, step: int
) -> NonFiniteError:
    """Return the error of a step that is not finite, with the step and a hint that names the last good checkpoint.

    Args:
        error: The error.
        experiment: Experiment of the run.
        checkpoints: Checkpoints of the run.
        step: Optimizer steps taken before the error.
    """
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
        clipping = "" if clips else ', training={"gradient_clip_norm": 1.0}'
        settings = f'{good[-1]}, optimizer={{"learning_rate": …}}{clipping}'
        python_hint = f"{advice}{open_in_python(run_folder(path))}.resume({settings})"
    else:
        remedy = "check that the states stay bounded" if clips else "set training.gradient_clip_norm = 1.0"
        hint = python_hint = f"There is no earlier checkpoint. Lower optimizer.learning_rate, or {remedy}."
    return NonFiniteError(f"step {step + 1}: {error.message}", hint=hint, python_hint=python_hint)


def _limit_fractions(training: Training, step: int, epoch: float, seconds: float) -> dict[str, float]:
    """Return the completed fraction of each limit that is set, by its key in `[training]`."""
    amounts = {"steps": step, "epochs": epoch, "minutes": seconds / 60}
    return {key: amount / limit for key, amount in amounts.items() if (limit := getattr(training, key))}
