"""Learning rate schedules: constant, step, exponential, cosine and plateau."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from seqforge.interfaces import Progress, Schedule

_Unit = Annotated[Literal["epochs", "steps"], Field(description="Unit of `every` and `after`.")]
_Every = Annotated[float, Field(gt=0, description="Epochs or steps from one reduction to the next.")]
_After = Annotated[float, Field(ge=0, description="Epochs or steps at the full rate before counting starts.")]
_Factor = Annotated[float, Field(gt=0, le=1, description="Factor that each reduction applies to the learning rate.")]


class Constant(Schedule):
    """A constant learning rate."""

    def factor(self, progress: Progress) -> float:
        """Return 1."""
        return 1.0


class Step(Schedule):
    """A learning rate that is multiplied by a factor at regular intervals.

    Zaremba et al. 2014, "Recurrent Neural Network Regularization", halve it every epoch after some epochs at the full
    rate. The first reduction happens at `after + every`.
    """

    def __init__(self, every: _Every = 1.0, unit: _Unit = "epochs", after: _After = 0.0, factor: _Factor = 0.5) -> None:
        self._every = every
        self._unit = unit
        self._after = after
        self._factor = factor

    def factor(self, progress: Progress) -> float:
        """Return the factor of all complete intervals so far."""
        intervals = _count_intervals(progress, self._unit, self._every, self._after)
        # Floating-point division can fall just short of a whole number: 0.3 / 0.1 < 3.
        return self._factor ** math.floor(intervals + 1e-9)


class Exponential(Schedule):
    """A learning rate that decays exponentially, a little at each step. char-rnn uses a factor of 0.97 per epoch."""

    def __init__(
        self, every: _Every = 1.0, unit: _Unit = "epochs", after: _After = 0.0, factor: _Factor = 0.97
    ) -> None:
        self._every = every
        self._unit = unit
        self._after = after
        self._factor = factor

    def factor(self, progress: Progress) -> float:
        """Return the factor of all intervals so far, the fraction of the current one included."""
        return self._factor ** _count_intervals(progress, self._unit, self._every, self._after)


class Cosine(Schedule):
    """Half a cosine from 1 to a final factor over the run, with an optional linear warm-up.

    Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", without the restarts. The
    schedule follows the completed fraction of the run, so that it also reaches its end in a run that is limited by
    minutes. The warm-up multiplies the cosine.
    """

    def __init__(
        self,
        warmup_steps: Annotated[int, Field(ge=0, description="Steps over which the rate rises at first.")] = 0,
        final_factor: Annotated[float, Field(ge=0, le=1, description="Factor at the end of the run.")] = 0.1,
    ) -> None:
        self._warmup_steps = warmup_steps
        self._final_factor = final_factor

    def factor(self, progress: Progress) -> float:
        """Return the product of the cosine and the warm-up, both at most 1."""
        # Count the coming step too: the first step must not have a rate of 0.
        warmup = min(1.0, (progress.step + 1) / (self._warmup_steps + 1))
        cosine = (1 + math.cos(math.pi * min(1.0, progress.fraction))) / 2
        return warmup * (self._final_factor + (1 - self._final_factor) * cosine)


class Plateau(Schedule):
    """A learning rate that is reduced when the validation loss stops improving."""

    def __init__(
        self,
        patience: Annotated[int, Field(ge=1, description="Evaluations without an improvement to wait for.")] = 3,
        factor: _Factor = 0.5,
        threshold: Annotated[float, Field(ge=0, description="Least improvement, in nats per token.")] = 1e-3,
        minimum_factor: Annotated[float, Field(ge=0, le=1, description="Lower limit of the factor.")] = 0.01,
    ) -> None:
        self._patience = patience
        self._reduction = factor
        self._threshold = threshold
        self._minimum = minimum_factor
        self._current = 1.0
        self._best: float | None = None
        self._waited = 0

    def factor(self, progress: Progress) -> float:
        """Return the product of the reductions so far."""
        return self._current

    def observe(self, validation_loss: float) -> None:
        """Reduce the factor if the patience is exhausted."""
        if validation_loss < (float("inf") if self._best is None else self._best - self._threshold):
            self._best = validation_loss
            self._waited = 0
            return
        self._waited += 1
        if self._waited == self._patience:
            self._current = max(self._minimum, self._current * self._reduction)
            self._waited = 0

    def state(self) -> dict[str, Any]:
        """Return the factor, the best loss, and the number of evaluations since the last improvement or reduction."""
        return {"factor": self._current, "best": self._best, "waited": self._waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` returned.

        Raises:
            ValueError: If the keys or types are not those of such a state.
        """
        match state:
            case {"factor": int() | float() as factor, "best": int() | float() | None as best, "waited": int(waited)}:
                self._current, self._best, self._waited = float(factor), best, waited
            case _:
                raise ValueError("the state of a plateau schedule needs a factor, a best loss and a count")


def _count_intervals(progress: Progress, unit: str, every: float, after: float) -> float:
    done = progress.epoch if unit == "epochs" else progress.step
    return max(0.0, done - after) / every
