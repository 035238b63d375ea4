"""Adam and its relatives: running means of the gradient and of its square."""

from abc import ABC
from collections.abc import Iterable
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn

from seqforge.interfaces import Optimizer
from seqforge_essentials.optimizers.build import Algorithm, build
from seqforge_essentials.optimizers.options import Epsilon, LearningRate, WeightDecay

_Beta = Annotated[float, Field(ge=0, lt=1)]
_Beta1 = Annotated[_Beta, Field(description="Decay of the running mean of the gradient.")]
_Beta2 = Annotated[_Beta, Field(description="Decay of the running scale that it is divided by.")]


class _Family(Optimizer, ABC):
    """What Adam and its relatives share: their options.

    Args:
        learning_rate: The learning rate.
        beta1: Decay of the running mean of the gradient.
        beta2: Decay of the running scale that it is divided by.
        epsilon: Added to the denominator.
        weight_decay: Of the matrices.
    """

    algorithm: ClassVar[Algorithm]

    def __init__(
        self,
        learning_rate: LearningRate = 2e-3,
        beta1: _Beta1 = 0.9,
        beta2: _Beta2 = 0.999,
        epsilon: Epsilon = 1e-8,
        weight_decay: WeightDecay = 0.0,
    ) -> None:
        self._learning_rate = learning_rate
        self._betas = (beta1, beta2)
        self._epsilon = epsilon
        self._weight_decay = weight_decay

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Make torch's optimizer of the same name.

        Args:
            parameters: Names and parameters.
        """
        return build(
            self.algorithm,
            parameters,
            self._weight_decay,
            lr=self._learning_rate,
            betas=self._betas,
            eps=self._epsilon,
        )


class Adam(_Family):
    """Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization"."""

    algorithm = torch.optim.Adam


class AdamW(_Family):
    """Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization": decay apart from the gradient's scaling.

    Args:
        learning_rate: The learning rate.
        beta1: Decay of the running mean of the gradient.
        beta2: Decay of the running scale that it is divided by.
        epsilon: Added to the denominator.
        weight_decay: Of the matrices, for each step times the learning rate.
    """

    algorithm = torch.optim.AdamW

    def __init__(
        self,
        learning_rate: LearningRate = 2e-3,
        beta1: _Beta1 = 0.9,
        beta2: _Beta2 = 0.999,
        epsilon: Epsilon = 1e-8,
        weight_decay: Annotated[
            float, Field(ge=0, description="Weight decay of matrices, for each step times the learning rate.")
        ] = 0.01,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay)


class NAdam(_Family):
    """Dozat 2016, "Incorporating Nesterov Momentum into Adam"."""

    algorithm = torch.optim.NAdam


class RAdam(_Family):
    """Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond": no warm-up needed."""

    algorithm = torch.optim.RAdam


class Adamax(_Family):
    """Kingma and Ba 2015, section 7.1: the largest gradient of late in place of the root mean square."""

    algorithm = torch.optim.Adamax
