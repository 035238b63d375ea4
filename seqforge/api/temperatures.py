"""Scores of samples at several temperatures."""

from collections.abc import Sequence

from seqforge.api.run import Run
from seqforge.evaluation.metrics import TextScores
from seqforge.events import Report, no_report
from seqforge.experiment import with_temperature
from seqforge.faults import blame_components
from seqforge.tasks import TrainedModel, task_of


@blame_components()
def score_temperatures(
    run: Run,
    temperatures: Sequence[float],
    *,
    checkpoint: str | int = "best",
    device: str = "auto",
    seed: int = 0,
    report: Report = no_report,
) -> tuple[list[TextScores], TextScores]:
    """Draw samples at several temperatures, and score them and held-out text by the metrics of the experiment.

    The arguments are those of `Run.score_samples`. Every sampler of the experiment with an option `temperature` uses
    each of the temperatures.

    Returns:
        Scores of the samples at each temperature, and the baseline.

    Raises:
        ExperimentError: If no sampler has an option `temperature`, or a temperature is not valid.
    """
    chains = [with_temperature(run.experiment, temperature, run.path).samplers for temperature in temperatures]
    trained = TrainedModel(run.directory, checkpoint, device)
    return task_of(run.experiment).score_samples(trained, chains, seed, report)
