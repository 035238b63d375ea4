"""Measure the backends on the cells of an experiment, without training it."""

from collections.abc import Mapping
from dataclasses import dataclass

from seqforge.events import no_report
from seqforge.experiment import Experiment
from seqforge.hardware.devices import choose_device
from seqforge.model import measure_cells
from seqforge.tasks import task_of


@dataclass(frozen=True, slots=True)
class CellReport:
    """Times of the backends on one cell.

    Attributes:
        module: Name of the cell's module in the model.
        cell: Name of the cell's class.
        steps: Steps of a sequence.
        rows: Sequences in a batch.
        seconds: Time of a forward and a backward pass, by backend.
        refused: Reason why each of the other backends does not run the cell.
    """

    module: str
    cell: str
    steps: int
    rows: int
    seconds: Mapping[str, float]
    refused: Mapping[str, str]


def measure_experiment(experiment: Experiment) -> list[CellReport]:
    """Measure every backend that can run the cells of an experiment, on its batch shape, without the cache.

    Raises:
        DataError: If the corpus is missing.
    """
    device = choose_device(experiment.training.device)
    task = task_of(experiment).prepare_training(device, no_report)
    batch_shape = task.batch_shape
    measured = measure_cells(task.new_state().model, experiment.registry, batch_shape)
    return [
        CellReport(
            module,
            cell,
            batch_shape.steps,
            batch_shape.rows,
            found.seconds,
            {name: refusal.reason for name, refusal in found.refused.items()},
        )
        for module, cell, found in measured
    ]
