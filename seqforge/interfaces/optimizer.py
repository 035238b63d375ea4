"""Optimizers: thin over torch's own."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import nn


class Optimizer(ABC):
    """Options of an optimizer, which `build` turns into torch's.

    The engine sets each parameter group's learning rate to the built one times the schedule's factor.
    """

    @abstractmethod
    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Make torch's optimizer over a model's parameters.

        Args:
            parameters: Names and parameters, as `nn.Module.named_parameters` gives them.

        Returns:
            An optimizer whose `state_dict` holds tensors and plain JSON values only.
        """
