"""Initializers, optimizers and learning rate schedules."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqforge.errors import describe_type
from seqforge.faults import wrong_result


class Initializer(ABC):
    """A rule that fills the parameters of a model in place, with random numbers from torch's default generator.

    Afterwards, cells set the biases that must not depend on the initializer, such as the forget bias of an LSTM.
    """

    @abstractmethod
    def initialize(self, name: str, parameter: Tensor) -> None:
        """Fill one parameter in place. It has the initial values of its module, and gradients are disabled.

        `name` is the dotted name of the parameter in the model, such as `stack.cells.0.recurrent_weight`.
        """


def initialize_parameter(initializer: Initializer, name: str, parameter: Tensor) -> None:
    """Fill one parameter in place.

    Raises:
        PluginError: If the initializer returns other values instead, or writes numbers that are not finite.
    """
    returned: Any = initializer.initialize(name, parameter)
    if returned is not None and returned is not parameter:
        raise wrong_result(
            initializer.initialize, f"returned {describe_type(returned)} for {name}, instead of filling it in place"
        )
    if not bool(torch.isfinite(parameter).all()):
        raise wrong_result(initializer.initialize, f"wrote NaN or infinity to {name}")


class Optimizer(ABC):
    """The options of an optimizer, from which `build` creates a torch optimizer.

    Before each step the engine multiplies the learning rate of each parameter group by the factor of the schedule.
    """

    @abstractmethod
    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Return a torch optimizer for the named parameters of a model.

        Its state must contain, for each parameter, only tensors, finite numbers, text, true, false and None.
        """


def build_optimizer(options: Optimizer, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
    """Return the torch optimizer that an `Optimizer` builds.

    Raises:
        PluginError: If it is not a torch optimizer with a learning rate in every parameter group.
    """
    optimizer: Any = options.build(parameters)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise wrong_result(options.build, f"returned {describe_type(optimizer)}, not a torch.optim.Optimizer")
    if not all("lr" in group for group in optimizer.param_groups):
        raise wrong_result(options.build, "returned an optimizer without the learning rate 'lr' in its groups")
    return optimizer


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run.

    Attributes:
        step: Number of optimizer steps done.
        epoch: Number of passes over the training split done, including the fraction of the current pass.
        fraction: Completed fraction of the run, from 0 to 1: the largest of the fractions of the limits in steps,
            epochs and minutes.
    """

    step: int
    epoch: float
    fraction: float


class Schedule(ABC):
    """A function from the progress of a run to a factor of the learning rate.

    A schedule without a state implements only `factor`.
    """

    @abstractmethod
    def factor(self, progress: Progress) -> float:
        """Return the factor, at least 0, by which the optimizer's learning rate is multiplied in the next step."""

    def observe(self, validation_loss: float) -> None:
        """Receive the validation loss of an evaluation, in nats per token. The default ignores it."""

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run needs, as plain JSON values. The default is empty.

        Numbers must be finite: use None for a loss that is not known yet.
        """
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` returned in this or another process. The default does nothing."""


def learning_rate_factor(schedule: Schedule, progress: Progress) -> float:
    """Return the factor of a schedule.

    Raises:
        PluginError: If it is not a finite number that is at least 0.
    """
    value: Any = schedule.factor(progress)
    try:
        factor = float(value)
    except (TypeError, ValueError, OverflowError):
        factor = math.nan
    if not 0 <= factor < math.inf:
        raise wrong_result(schedule.factor, f"returned {value!r:.60}, not a finite number that is at least 0")
    return factor
