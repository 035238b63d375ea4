"""RMSprop: gradients scaled by their root mean square."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from seqforge.interfaces import Optimizer
from seqforge_essentials.optimizers.build import build
from seqforge_essentials.optimizers.options import Epsilon, LearningRate, WeightDecay


class RMSprop(Optimizer):
    """Divides each gradient by a running root mean square; char-rnn's optimizer, with char-rnn's values.

    Tieleman and Hinton 2012, "Lecture 6.5: RMSprop", Coursera; centred as in Graves 2013, "Generating Sequences with
    Recurrent Neural Networks".

    Args:
        learning_rate: The learning rate.
        decay_rate: Decay of the running mean of the squared gradient.
        momentum: Share of the last update that the next one keeps.
        centered: Whether the running mean's square is taken from the mean square, which leaves the variance.
        epsilon: Added to the denominator.
        weight_decay: Of the matrices.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 2e-3,
        decay_rate: Annotated[
            float, Field(ge=0, lt=1, description="Decay of the running mean of the squared gradient.")
        ] = 0.95,
        momentum: Annotated[float, Field(ge=0, lt=1, description="Share of the last update to keep.")] = 0.0,
        centered: Annotated[bool, Field(description="Divide by the standard deviation instead.")] = False,
        epsilon: Epsilon = 1e-8,
        weight_decay: WeightDecay = 0.0,
    ) -> None:
        self._learning_rate = learning_rate
        self._decay_rate = decay_rate
        self._momentum = momentum
        self._centered = centered
        self._epsilon = epsilon
        self._weight_decay = weight_decay

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Make `torch.optim.RMSprop`.

        Args:
            parameters: Names and parameters.
        """
        return build(
            torch.optim.RMSprop,
            parameters,
            self._weight_decay,
            lr=self._learning_rate,
            alpha=self._decay_rate,
            momentum=self._momentum,
            centered=self._centered,
            eps=self._epsilon,
        )
