"""Initializers: the weights before the first step."""

from abc import ABC, abstractmethod

from torch import Tensor


class Initializer(ABC):
    """Fills a model's parameters in place, drawing from torch's default generator.

    Biases that a cell sets for itself, such as an LSTM's forget bias, are set afterwards.
    """

    @abstractmethod
    def initialize(self, name: str, parameter: Tensor) -> None:
        """Fill one parameter in place; gradients are off.

        Args:
            name: Its dotted name in the model, such as `stack.cells.0.recurrent_weight`.
            parameter: The tensor, holding the module's own initial values.
        """
