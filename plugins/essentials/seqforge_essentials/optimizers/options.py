"""The options that optimizers share."""

from typing import Annotated

from pydantic import Field

LearningRate = Annotated[float, Field(gt=0, description="Learning rate, before the schedule's factor.")]
WeightDecay = Annotated[
    float, Field(ge=0, description="Weight decay (an L2 penalty) of matrices; biases and other vectors have none.")
]
Epsilon = Annotated[float, Field(gt=0, description="Added to the denominator, against division by 0.")]
