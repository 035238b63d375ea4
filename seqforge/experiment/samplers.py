"""Experiments with other samplers, for the samples of a model that is trained already."""

from collections.abc import Sequence
from pathlib import Path

from seqforge.errors import ExperimentError
from seqforge.experiment.experiment import Experiment, check_list
from seqforge.experiment.tables import merge_tables, override
from seqforge.registry import Choice, Use, use


def with_samplers(experiment: Experiment, samplers: Sequence[Choice], folder: Path) -> Experiment:
    """Return the experiment with another chain of samplers.

    Args:
        experiment: The experiment of a run.
        samplers: Names, classes or `use(…)`, in the order in which they are applied.
        folder: Folder to which paths in the experiment are relative.

    Raises:
        ExperimentError: If a name or an option is wrong.
    """
    check_list("samplers", samplers)
    chain = [choice if isinstance(choice, Use) else use(choice) for choice in samplers]
    table = merge_tables(experiment.table, {"sampler": chain})
    return Experiment.from_dict(table, folder, experiment.registry)


def with_temperature(experiment: Experiment, temperature: float, folder: Path) -> Experiment:
    """Return the experiment in which every sampler with an option `temperature` has this one.

    Raises:
        ExperimentError: If no sampler has the option, or the temperature is not valid.
    """
    places = [place for place, sampler in enumerate(experiment.samplers) if "temperature" in sampler.options]
    if not places:
        names = ", ".join(sampler.name for sampler in experiment.samplers)
        raise ExperimentError(
            f"no sampler of the run has an option 'temperature': {names}",
            hint="Leave the temperature out, or use a chain with the sampler temperature.",
        )
    table = override(dict(experiment.table), [f"sampler.{place}.temperature={temperature}" for place in places])
    return Experiment.from_dict(table, folder, experiment.registry)
