"""Optimizers, which change the parameters of a model in each step."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from seqforge.component_state import LARGEST_NUMBER
from seqforge.errors import describe_type
from seqforge.faults import wrong_result

__all__ = ["AveragingOptimizer", "Optimizer"]


class Optimizer(ABC):
    """The options of an optimizer, from which `build` creates a torch optimizer.

    Before each step the engine multiplies the learning rate of each parameter group by a factor that changes during
    the run.
    """

    @abstractmethod
    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Return a torch optimizer for the named parameters of a model.

        Its state must contain, for each parameter, only tensors, finite numbers, text, true, false and None. If it
        averages the weights itself, it is an `AveragingOptimizer`.
        """


@runtime_checkable
class AveragingOptimizer(Protocol):
    """A torch optimizer with an average of the weights, which is evaluated, sampled and saved as the model."""

    def average_of(self, parameter: Tensor) -> Tensor:
        """Return the average of a parameter, a new tensor."""
        ...


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


def state_fault(optimizer: torch.optim.Optimizer) -> str | None:
    """Return which part of the state of a torch optimizer no checkpoint can hold, or None."""
    for index, moments in optimizer.state_dict()["state"].items():
        if not isinstance(index, int) or not isinstance(moments, Mapping):
            return f"its state has {index!r}, which is not a parameter"
        for name, value in cast("Mapping[str, Any]", moments).items():
            is_number = isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER
            if not (is_number or value is None or isinstance(value, str | Tensor)):
                return f"{name!r} in its state of a parameter is {value!r:.60}"
    return None
