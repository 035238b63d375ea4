"""Initializers: default, uniform, normal and orthogonal."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from seqforge.kinds import Initializer
from seqforge.kinds.cell import is_recurrent_weight


class Default(Initializer):
    """Keep the initial values of every module."""

    def initialize(self, name: str, parameter: Tensor) -> None:
        """Leave the parameter unchanged."""


@dataclass(frozen=True)
class Uniform(Initializer):
    """Draw every parameter, biases included, from a uniform distribution around 0.

    Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks", and char-rnn use a scale of 0.08.
    """

    scale: Annotated[float, Field(gt=0, le=100, description="Values lie between -scale and scale.")] = 0.08

    def initialize(self, name: str, parameter: Tensor) -> None:
        """Draw the parameter."""
        parameter.uniform_(-self.scale, self.scale)


@dataclass(frozen=True)
class Normal(Initializer):
    """Draw matrices from a normal distribution around 0, and set biases to 0.

    Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", use a standard deviation of
    0.02. Other vectors, such as peepholes, keep the initial values of their modules.
    """

    standard_deviation: Annotated[float, Field(gt=0, le=100, description="Standard deviation of matrix elements.")] = (
        0.02
    )

    def initialize(self, name: str, parameter: Tensor) -> None:
        """Draw a matrix, or set a bias to 0."""
        if is_bias(name):
            parameter.zero_()
        elif parameter.ndim >= 2:
            parameter.normal_(0.0, self.standard_deviation)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """Draw the recurrent weights of each gate as an orthogonal matrix, which preserves the norm of the state.

    Saxe et al. 2014, "Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural Networks". Other
    matrices are uniform as in Glorot and Bengio 2010, "Understanding the Difficulty of Training Deep Feedforward
    Neural Networks". Biases are 0. Other vectors, such as peepholes, keep the initial values of their modules.
    """

    gain: Annotated[float, Field(gt=0, le=100, description="Factor on the orthogonal matrices.")] = 1.0

    def initialize(self, name: str, parameter: Tensor) -> None:
        """Draw a matrix, or set a bias to 0."""
        if is_bias(name):
            parameter.zero_()
        elif parameter.ndim >= 2 and is_recurrent_weight(name):
            # The square matrices of the gates are stacked: [gates · hidden, hidden].
            for gate in torch.split(parameter, parameter.shape[1]):
                nn.init.orthogonal_(gate, self.gain)
        elif parameter.ndim >= 2:
            nn.init.xavier_uniform_(parameter)


def is_bias(name: str) -> bool:
    """Return whether a parameter name belongs to a bias: `bias`, `recurrent_bias`, or torch's `bias_ih_l0`."""
    last = name.rpartition(".")[2]
    return last.startswith("bias") or last.endswith("bias")
