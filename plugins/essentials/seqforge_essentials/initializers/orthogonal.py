"""Orthogonal recurrent weights."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from seqforge.interfaces import Initializer
from seqforge_essentials.initializers.roles import is_bias, is_recurrent_weight


class Orthogonal(Initializer):
    """Makes each gate's recurrent weights orthogonal, so that a state keeps its length from step to step.

    Saxe et al. 2014, "Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural Networks". Other
    matrices are uniform after Glorot and Bengio 2010, "Understanding the Difficulty of Training Deep Feedforward
    Neural Networks"; biases are 0; other vectors, such as peepholes, keep their modules' own values.

    Args:
        gain: What the orthogonal matrices are multiplied by.
    """

    def __init__(
        self, gain: Annotated[float, Field(gt=0, description="Factor on the orthogonal matrices.")] = 1.0
    ) -> None:
        self._gain = gain

    def initialize(self, name: str, parameter: Tensor) -> None:
        """Fill the parameter as its name and shape tell.

        Args:
            name: Its dotted name.
            parameter: Filled in place.
        """
        if is_bias(name):
            parameter.zero_()
        elif parameter.ndim >= 2 and is_recurrent_weight(name):
            # The gates' square matrices are stacked: [gates·hidden, hidden].
            for gate in torch.split(parameter, parameter.shape[1]):
                nn.init.orthogonal_(gate, self._gain)
        elif parameter.ndim >= 2:
            nn.init.xavier_uniform_(parameter)
