"""Half a cosine, after a warm-up."""

import math
from typing import Annotated

from pydantic import Field

from seqforge.interfaces import Progress, Schedule


class Cosine(Schedule):
    """Follows half a cosine from 1 to a final factor over the run, and starts with a linear warm-up if asked for.

    Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", without the restarts. It
    follows the done part of the run, so it also ends right where a run ends by minutes. The warm-up multiplies it.

    Args:
        warmup_steps: Steps over which the learning rate rises from near 0.
        final_factor: Where the cosine ends.
    """

    def __init__(
        self,
        warmup_steps: Annotated[int, Field(ge=0, description="Steps over which the rate first rises.")] = 0,
        final_factor: Annotated[float, Field(ge=0, le=1, description="The factor at the end of the run.")] = 0.1,
    ) -> None:
        self._warmup_steps = warmup_steps
        self._final_factor = final_factor

    def factor(self, progress: Progress) -> float:
        """Give the cosine's factor times the warm-up's, neither above 1.

        Args:
            progress: How far the run has come.
        """
        # The coming step is one more than those done; the first is not to be wasted on a rate of 0.
        warmup = min(1.0, (progress.step + 1) / (self._warmup_steps + 1))
        cosine = (1 + math.cos(math.pi * min(1.0, progress.fraction))) / 2
        return warmup * (self._final_factor + (1 - self._final_factor) * cosine)
