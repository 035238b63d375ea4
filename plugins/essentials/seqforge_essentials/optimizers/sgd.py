"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from seqforge.interfaces import Optimizer
from seqforge_essentials.optimizers.build import build
from seqforge_essentials.optimizers.options import LearningRate, WeightDecay


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    Sutskever et al. 2013, "On the Importance of Initialization and Momentum in Deep Learning".

    Args:
        learning_rate: The learning rate.
        momentum: Share of the last update that the next one keeps.
        nesterov: Whether the gradient is taken, in effect, ahead of the momentum (Nesterov 1983).
        weight_decay: Of the matrices.

    Raises:
        ValueError: Where `nesterov` is on without momentum.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 1.0,
        momentum: Annotated[float, Field(ge=0, lt=1, description="Share of the last update to keep.")] = 0.9,
        nesterov: Annotated[bool, Field(description="Nesterov's momentum; needs a momentum above 0.")] = False,
        weight_decay: WeightDecay = 0.0,
    ) -> None:
        if nesterov and momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, such as 0.9")
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._nesterov = nesterov
        self._weight_decay = weight_decay

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Make `torch.optim.SGD`.

        Args:
            parameters: Names and parameters.
        """
        return build(
            torch.optim.SGD,
            parameters,
            self._weight_decay,
            lr=self._learning_rate,
            momentum=self._momentum,
            nesterov=self._nesterov,
        )
