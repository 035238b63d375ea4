"""The training state: everything that changes while a model is trained, and the optimizer's part as plain values."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from seqforge.component_state import checked_state
from seqforge.errors import ExperimentError, PluginError
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.settings import Training
from seqforge.kinds import ExampleSpec, Optimizer, Schedule
from seqforge.kinds.optimizer import AveragingOptimizer, build_optimizer, state_fault
from seqforge.model.build import build_model
from seqforge.model.recomputation import States
from seqforge.model.sequence_model import SequenceModel


@dataclass(slots=True)
class TrainingState:
    """The content of a checkpoint, except torch's random state.

    Attributes:
        carried_batches: Number of batches whose recurrent state is carried from step to step; 0 for labelled examples.
        recurrent: State of every layer after the last step, for each carried batch; empty before the first step.
        step: Number of optimizer steps done.
        seconds: Training time so far.
        best_loss: Lowest validation loss so far; infinity before the first evaluation.
        stale_evaluations: Number of evaluations since the lowest loss.
        average: Average of each parameter over the steps so far; empty if there is none.
        averaged_steps: Number of steps in the average.
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
    average: list[Tensor] = field(default_factory=list[Tensor])
    averaged_steps: int = 0
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

    `symbols` is the size of the vocabulary. A language model has no example spec. The recurrent state of
    `carried_batches` is carried from step to step.
    """
    model = build_model(experiment, symbols, spec).to(device)
    optimizer = build_optimizer(experiment.optimizer.build(), model.named_parameters())
    if isinstance(optimizer, AveragingOptimizer):
        for name in ("average_decay", "average_after"):
            if getattr(experiment.training, name) is not None:
                raise ExperimentError(
                    f"training.{name}: the optimizer averages the weights itself", hint="Leave it out."
                )
    for group in optimizer.param_groups:
        # torch uses this name, too, for the learning rate that schedules multiply.
        group.setdefault("initial_lr", group["lr"])
    schedule: Schedule = experiment.schedule.build()
    checked_state(schedule.state)  # before the first step, not at the first checkpoint
    return TrainingState(model, optimizer, schedule, carried_batches)


def average_weights(state: TrainingState, training: Training) -> None:
    """Add the weights after a step to their average, if the settings ask for one or the optimizer has one.

    The weights of n steps ago count in proportion to dⁿ. With d = 1, the average is the mean of all steps: averaged SGD
    (Polyak and Juditsky 1992), and with `average_after` its variant NT-ASGD (Merity et al. 2018, section 3).
    """
    steps = state.averaged_steps + 1
    if isinstance(state.optimizer, AveragingOptimizer):
        state.averaged_steps = steps  # `averaged_model` asks for the average, which few steps need.
        return
    decay = training.average_decay or (1.0 if training.average_after else None)
    if decay is None or (steps == 1 and state.stale_evaluations < (training.average_after or 0)):
        state.average, state.averaged_steps = [], 0  # A resumed run may have other settings.
        return
    state.average = state.average or [parameter.detach().clone() for parameter in state.parameters]
    share = 1 / steps if decay == 1 else (1 - decay) / (1 - decay**steps)
    for average, parameter in zip(state.average, state.parameters, strict=True):
        average.lerp_(parameter.detach(), share)
    state.averaged_steps = steps


@contextmanager
def averaged_model(state: TrainingState) -> Generator[None]:
    """Exchange the weights and their average, if there is one, inside of the context."""
    if state.averaged_steps and isinstance(state.optimizer, AveragingOptimizer):
        state.average = [state.optimizer.average_of(parameter) for parameter in state.parameters]
    exchange_weights(state)
    try:
        yield
    finally:
        exchange_weights(state)


@torch.no_grad()
def exchange_weights(state: TrainingState) -> None:
    """Exchange the weights and their average, if there is one."""
    for average, parameter in zip(state.average, state.parameters, strict=bool(state.average)):
        weights = parameter.clone()
        parameter.copy_(average)
        average.copy_(weights)


PREFIX = "optimizer."
Scalars = dict[str, dict[str, bool | int | float | str | None]]


def split_optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], Scalars]:
    """Split the state of an optimizer into tensors and JSON values. Its options are not included.

    Returns:
        Tensors named `optimizer.INDEX.NAME`, and all other values by index and name.

    Raises:
        PluginError: If the state has a value that a checkpoint cannot hold, or a value that belongs to no parameter.
    """
    if fault := state_fault(optimizer):
        storable = "For each parameter, a checkpoint holds tensors, finite numbers, text, true, false and None."
        hint = f"{storable} Change the optimizer, or use another one."
        raise PluginError(f"optimizer {type(optimizer).__name__!r}: {fault}", hint=hint)
    tensors: dict[str, Tensor] = {}
    scalars: Scalars = {}
    states: Mapping[int, Mapping[str, Any]] = optimizer.state_dict()["state"]
    for index, moments in states.items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                tensors[f"{PREFIX}{index}.{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    return tensors, scalars


def join_optimizer_state(
    optimizer: torch.optim.Optimizer,
    builder: Optimizer,
    parameters: Iterable[tuple[str, nn.Parameter]],
    tensors: Mapping[str, Tensor],
    scalars: Scalars,
) -> None:
    """Load a saved state into a new optimizer, after checking all of it, since fused kernels do not check sizes.

    Args:
        optimizer: New optimizer.
        builder: Component that built it, which builds a second one to find out the names and shapes of its state.
        parameters: The named parameters from which it was built.
        tensors: Tensors of the state, as `split_optimizer_state` returns them; others are ignored.
        scalars: Other values of the state.

    Raises:
        ValueError: If the state belongs to another optimizer or to other parameters.
    """
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    moments: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith(PREFIX):
            index, _, name = key.removeprefix(PREFIX).partition(".")
            moments.setdefault(_index(index, count), {})[name] = value
    for index, values in scalars.items():
        moments.setdefault(_index(index, count), {}).update(values)
    expected: Mapping[int, Mapping[str, Any]] = _state_after_a_step(builder, parameters) if moments else {}
    for index, state in moments.items():
        wanted: Mapping[str, Any] = expected.get(index, {})
        if state.keys() != wanted.keys():
            stored = f"and the checkpoint has {_join(state)} of parameter {index}"
            raise ValueError(f"the optimizer stores {_join(wanted)}, {stored}")
        for name, value in state.items():
            if _form(value) != _form(wanted[name]):
                raise ValueError(f"the optimizer's {name} of parameter {index} is {_form(value)}")
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _index(text: str, count: int) -> int:
    if not text.isdecimal() or int(text) >= count:
        raise ValueError(f"the optimizer has no parameter {text!r}")
    return int(text)


def _state_after_a_step(
    builder: Optimizer, parameters: Iterable[tuple[str, nn.Parameter]]
) -> Mapping[int, Mapping[str, Any]]:
    """Return the state that an optimizer has for each parameter after one step, on parameters of the same shapes."""
    probes = [(name, nn.Parameter(torch.zeros_like(parameter))) for name, parameter in parameters]
    for _, probe in probes:
        probe.grad = torch.zeros_like(probe)
    optimizer = builder.build(probes)
    optimizer.step()
    return optimizer.state_dict()["state"]


def _form(value: Any) -> str:
    """Return the shape and the type of a tensor, or the same text for all other values."""
    return f"{list(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else "a plain value"


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
