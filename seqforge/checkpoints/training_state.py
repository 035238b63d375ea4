"""Everything that changes while a model is trained, in one value."""

from dataclasses import dataclass, field

import torch
from torch import nn

from seqforge.experiment import Experiment
from seqforge.interfaces import ExampleSpec, Optimizer, Schedule
from seqforge.model import SequenceModel, States, build_model


@dataclass(slots=True)
class TrainingState:
    """What a checkpoint holds, beside the random state.

    Attributes:
        model: Its parameters are trained.
        optimizer: With its moments.
        schedule: With its memory.
        recurrent: For each batch of an accumulated step, every layer's state; empty before the first step, and
            where examples are read whole.
        step: Optimizer steps done.
        seconds: Training time so far.
        best_loss: The lowest validation loss so far, in nats a token.
        stale_evaluations: Evaluations since then.
        parameters: The model's, listed once.
    """

    model: SequenceModel
    optimizer: torch.optim.Optimizer
    schedule: Schedule
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
        """Where the model is trained."""
        return self.parameters[0].device


def initial_state(
    experiment: Experiment, symbols: int, device: torch.device, spec: ExampleSpec | None = None
) -> TrainingState:
    """Make the state before the first step.

    Args:
        experiment: Names model, optimizer and schedule.
        symbols: Size of the vocabulary.
        device: Where the model is trained.
        spec: What labelled examples are made of; None for a language model.
    """
    model = build_model(experiment, symbols, spec).to(device)
    chosen: Optimizer = experiment.optimizer.build()
    optimizer = chosen.build(model.named_parameters())
    for group in optimizer.param_groups:
        # torch's own name for the rate that schedules multiply.
        group.setdefault("initial_lr", group["lr"])
    return TrainingState(model, optimizer, experiment.schedule.build())
