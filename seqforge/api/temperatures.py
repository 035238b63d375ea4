"""Scores of samples at several temperatures."""

from collections.abc import Sequence

from seqforge.api.run import Run
from seqforge.errors import ExperimentError
from seqforge.evaluation.metrics import TextScores
from seqforge.events import Report
from seqforge.experiment import Experiment, override
from seqforge.faults import blame_components
from seqforge.registry import Component
from seqforge.tasks import TrainedModel, task_of


@blame_components()
def score_temperatures(
    run: Run,
    temperatures: Sequence[float],
    *,
    checkpoint: str = "best",
    device: str = "auto",
    seed: int = 0,
    report: Report | None = None,
) -> tuple[list[TextScores], TextScores]:
    """Draw samples at several temperatures, and score them and held-out text by the metrics of the experiment.

    The arguments are those of `Run.score_samples`. Every sampler of the experiment with an option `temperature` uses
    each of the temperatures.

    Returns:
        Scores of the samples at each temperature, and the baseline.

    Raises:
        ExperimentError: If no sampler has an option `temperature`, or a temperature is not valid.
    """
    chains = [_set_temperature(run, temperature) for temperature in temperatures]
    trained = TrainedModel(run.directory, checkpoint, device)
    return task_of(run.experiment).score_samples(trained, chains, seed, report or (lambda _: None))


def _set_temperature(run: Run, temperature: float) -> Sequence[Component]:
    experiment = run.experiment
    places = [place for place, sampler in enumerate(experiment.samplers) if "temperature" in sampler.options]
    if not places:
        names = ", ".join(sampler.name for sampler in experiment.samplers)
        raise ExperimentError(
            f"no sampler of the run has an option 'temperature': {names}",
            hint="Leave the temperatures out, or use a chain with the sampler temperature.",
        )
    table = override(dict(experiment.table), [f"sampler.{place}.temperature={temperature}" for place in places])
    return Experiment.from_dict(table, run.path, experiment.registry).samplers
