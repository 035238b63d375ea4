"""What a schedule counts in."""

from typing import Annotated, Literal

from pydantic import Field

from seqforge.interfaces import Progress

Unit = Annotated[Literal["epochs", "steps"], Field(description="What `every` and `after` count.")]
Every = Annotated[float, Field(gt=0, description="Epochs or steps from one reduction to the next.")]
After = Annotated[float, Field(ge=0, description="Epochs or steps at the full rate before counting starts.")]
Factor = Annotated[float, Field(gt=0, le=1, description="What each reduction multiplies the learning rate by.")]


def reductions(progress: Progress, unit: str, every: float, after: float) -> float:
    """Count how many reductions are due, in fractions.

    Args:
        progress: How far the run has come.
        unit: `epochs` or `steps`.
        every: From one reduction to the next, in that unit.
        after: Before counting starts, in that unit.

    Returns:
        At least 0.
    """
    done = progress.epoch if unit == "epochs" else progress.step
    return max(0.0, done - after) / every
