"""Adagrad: gradients scaled by all that went before."""

from collections.abc import Iterable

import torch
from torch import nn

from seqforge.interfaces import Optimizer
from seqforge_essentials.optimizers.build import build
from seqforge_essentials.optimizers.options import Epsilon, LearningRate, WeightDecay


class Adagrad(Optimizer):
    """Divides each gradient by the root of the sum of all its squares; min-char-rnn's optimizer, with its values.

    Duchi et al. 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization".

    Args:
        learning_rate: The learning rate.
        epsilon: Added to the denominator.
        weight_decay: Of the matrices.
    """

    def __init__(
        self, learning_rate: LearningRate = 0.1, epsilon: Epsilon = 1e-8, weight_decay: WeightDecay = 0.0
    ) -> None:
        self._learning_rate = learning_rate
        self._epsilon = epsilon
        self._weight_decay = weight_decay

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Make `torch.optim.Adagrad`.

        Args:
            parameters: Names and parameters.
        """
        return build(torch.optim.Adagrad, parameters, self._weight_decay, lr=self._learning_rate, eps=self._epsilon)
