"""Initializers, which fill the parameters of a new model."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from seqforge.errors import describe_type
from seqforge.faults import wrong_result

__all__ = ["Initializer"]


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
        problem = f"returned {describe_type(returned)} for {name}, instead of filling it in place"
        raise wrong_result(initializer.initialize, problem)
    if not bool(torch.isfinite(parameter).all()):
        raise wrong_result(initializer.initialize, f"wrote NaN or infinity to {name}")
