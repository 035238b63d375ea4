"""Optimizers, which change the parameters of a model in each step."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from seqforge.errors import describe_type
from seqforge.faults import wrong_result


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
