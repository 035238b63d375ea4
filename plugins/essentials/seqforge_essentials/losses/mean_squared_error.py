"""Mean squared error: of numbers."""

from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from seqforge.interfaces import Loss


class MeanSquaredError(Loss):
    """The mean of (output - target)²."""

    compares: ClassVar[Literal["symbols", "numbers"]] = "numbers"

    def forward(
        self, outputs: Float[Tensor, "*batch size"], targets: Float[Tensor, "*batch size"]
    ) -> Float[Tensor, ""]:
        """Average over all numbers of the targets that are not NaN.

        Args:
            outputs: What was written.
            targets: What is right; NaN counts for nothing.

        Returns:
            The mean, a scalar; 0 where nothing counts.
        """
        ignored = targets.isnan()
        # Filled before the difference: a gradient through NaN would be NaN, counted or not.
        squares = (outputs - targets.masked_fill(ignored, 0.0)).square().masked_fill(ignored, 0.0)
        return squares.sum() / (~ignored).sum().clamp(min=1)
