"""The training state: everything that changes while a model is trained."""

from dataclasses import dataclass, field

import torch
from torch import nn

from seqforge.component_state import checked_state
from seqforge.experiment.experiment import Experiment
from seqforge.kinds import ExampleSpec, Schedule
from seqforge.kinds.optimizer import build_optimizer
from seqforge.model import SequenceModel, States, build_model


@dataclass(slots=True)
class TrainingState:
    """The content of a checkpoint, except torch's random state.

    Attributes:
        model: Model that is trained.
        optimizer: Optimizer with its moments.
        schedule: Learning-rate schedule with its state.
        carried_batches: Number of batches whose recurrent state is carried from step to step; 0 for labelled examples.
        recurrent: State of every layer after the last step, for each carried batch; empty before the first step.
        step: Number of optimizer steps done.
        seconds: Training time so far.
        best_loss: Lowest validation loss so far; infinity before the first evaluation.
        stale_evaluations: Number of evaluations since the lowest loss.
        parameters: Parameters of the model, listed once.
    """

    model: SequenceModel
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    carried_batches: int = 0
    recurrent: list[States] = field(default_factory=list[States])
    step: int = 0
    seconds: float = 0.0
    best_loss: float = float("inf")
    stale_evaluations: int = 0
    parameters: list[nn.Parameter] = field(init=False)

    def __post_init__(self) -> None:
        self.parameters = list(self.model.parameters())

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.parameters[0].device


def new_training_state(
    experiment: Experiment,
    symbols: int,
    device: torch.device,
    spec: ExampleSpec | None = None,
    *,
    carried_batches: int = 0,
) -> TrainingState:
    """Return the training state before the first step.

    Args:
        experiment: The experiment.
        symbols: Size of the vocabulary.
        device: Device to train on.
        spec: Shape of labelled examples; None for a language model.
        carried_batches: Number of batches whose recurrent state is carried from step to step.
    """
    model = build_model(experiment, symbols, spec).to(device)
    optimizer = build_optimizer(experiment.optimizer.build(), model.named_parameters())
    for group in optimizer.param_groups:
        # torch uses this name, too, for the learning rate that schedules multiply.
        group.setdefault("initial_lr", group["lr"])
    schedule: Schedule = experiment.schedule.build()
    checked_state(schedule.state)  # before the first step, not at the first checkpoint
    return TrainingState(model, optimizer, schedule, carried_batches)
