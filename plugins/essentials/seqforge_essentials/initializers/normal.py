"""Normal initial values."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from seqforge.interfaces import Initializer
from seqforge_essentials.initializers.roles import is_bias


class Normal(Initializer):
    """Draws matrices from a normal distribution around 0, and sets biases to 0.

    Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", with 0.02. Other vectors, such as
    peepholes, keep their modules' own values.

    Args:
        standard_deviation: Of the matrices.
    """

    def __init__(
        self,
        standard_deviation: Annotated[float, Field(gt=0, description="Standard deviation of the matrices.")] = 0.02,
    ) -> None:
        self._standard_deviation = standard_deviation

    def initialize(self, name: str, parameter: Tensor) -> None:
        """Draw a matrix, set a bias to 0.

        Args:
            name: Its dotted name.
            parameter: Filled in place.
        """
        if is_bias(name):
            parameter.zero_()
        elif parameter.ndim >= 2:
            parameter.normal_(0.0, self._standard_deviation)
