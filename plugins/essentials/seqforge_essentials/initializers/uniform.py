"""Uniform initial values."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from seqforge.interfaces import Initializer


class Uniform(Initializer):
    """Draws every parameter, biases too, from a uniform distribution around 0.

    Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks", with 0.08, which char-rnn took up.

    Args:
        scale: The distribution reaches from `-scale` to `scale`.
    """

    def __init__(
        self, scale: Annotated[float, Field(gt=0, description="Values lie between -scale and scale.")] = 0.08
    ) -> None:
        self._scale = scale

    def initialize(self, name: str, parameter: Tensor) -> None:
        """Draw the parameter.

        Args:
            name: Its dotted name.
            parameter: Filled in place.
        """
        parameter.uniform_(-self._scale, self._scale)
