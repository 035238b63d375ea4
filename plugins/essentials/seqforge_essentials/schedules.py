"""Learning rate schedules: constant, step, exponential, cosine, warmup-stable-decay and plateau."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from seqforge.kinds import Progress, Schedule

_Unit = Annotated[Literal["epochs", "steps"], Field(description="Unit of `every` and `after`.")]
_Every = Annotated[float, Field(ge=1e-6, description="Epochs or steps in which the learning rate falls by `factor`.")]
_After = Annotated[float, Field(ge=0, description="Epochs or steps at the full learning rate before the decay.")]
_Warmup = Annotated[int, Field(ge=0, description="Number of warm-up steps, in which the rate rises.")]
_FinalFactor = Annotated[float, Field(ge=0, le=1, description="Factor at the end of the run.")]
_Factor = Annotated[float, Field(gt=0, le=1, description="Factor by which the learning rate is multiplied.")]


class Constant(Schedule):
    """A constant learning rate."""

    def factor(self, progress: Progress) -> float:
        """Return 1."""
        return 1.0


class Step(Schedule):
    """A learning rate that is multiplied by a factor at regular intervals.

    Zaremba et al. 2014, "Recurrent Neural Network Regularization", reduce it every epoch after some epochs at the
    full rate. The first reduction is at `after + every`.
    """

    def __init__(self, every: _Every = 1.0, unit: _Unit = "epochs", after: _After = 0.0, factor: _Factor = 0.5) -> None:
        self._count = partial(_count_intervals, unit=unit, every=every, after=after)
        self._factor = factor

    def factor(self, progress: Progress) -> float:
        """Return the factor after all completed intervals."""
        # Floating-point division can fall just short of a whole number: 0.3 / 0.1 < 3.
        return self._factor ** math.floor(self._count(progress) + 1e-9)


class Exponential(Schedule):
    """A learning rate that decays exponentially, at every step. char-rnn uses a factor of 0.97 per epoch."""

    def __init__(
        self, every: _Every = 1.0, unit: _Unit = "epochs", after: _After = 0.0, factor: _Factor = 0.97
    ) -> None:
        self._count = partial(_count_intervals, unit=unit, every=every, after=after)
        self._factor = factor

    def factor(self, progress: Progress) -> float:
        """Return the factor after all intervals, including the completed fraction of the current one."""
        return self._factor ** self._count(progress)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 to a final factor over the run, with an optional linear warm-up.

    Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", without the restarts. The
    schedule depends on the completed fraction of the run, so it also reaches its end in a run that is limited in
    minutes. The warm-up multiplies the cosine.
    """

    warmup_steps: _Warmup = 0
    final_factor: _FinalFactor = 0.1

    def factor(self, progress: Progress) -> float:
        """Return the product of the cosine and the warm-up, both at most 1."""
        cosine = (1 + math.cos(math.pi * min(1.0, progress.fraction))) / 2
        return _warm_up(progress, self.warmup_steps) * (self.final_factor + (1 - self.final_factor) * cosine)


@dataclass(frozen=True)
class WarmupStableDecay(Schedule):
    """A linear warm-up, a constant learning rate, and a linear decay at the end of the run.

    Hu et al. 2024, "MiniCPM", arXiv 2404.06395; Hägele et al. 2024, arXiv 2405.18392, compare it with a cosine. Until
    the decay begins, the rate does not depend on the length of the run, which may then be made longer.
    """

    warmup_steps: _Warmup = 0
    decay_fraction: Annotated[float, Field(gt=0, le=1, description="Fraction of the run in which the rate falls.")] = (
        0.2
    )
    final_factor: _FinalFactor = 0.0

    def factor(self, progress: Progress) -> float:
        """Return the product of the warm-up and the decay, both at most 1."""
        left = min(1.0, max(0.0, 1 - progress.fraction) / self.decay_fraction)
        return _warm_up(progress, self.warmup_steps) * (self.final_factor + (1 - self.final_factor) * left)


class Plateau(Schedule):
    """A learning rate that is reduced when the validation loss stops improving."""

    def __init__(
        self,
        patience: Annotated[int, Field(ge=1, description="Evaluations without an improvement before a reduction.")] = 3,
        factor: _Factor = 0.5,
        threshold: Annotated[
            float, Field(ge=0, description="Smallest improvement that counts, in nats per token.")
        ] = 1e-3,
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
        """Reduce the factor after `patience` evaluations without an improvement."""
        if validation_loss < (float("inf") if self._best is None else self._best - self._threshold):
            self._best = validation_loss
            self._waited = 0
            return
        self._waited += 1
        # A resumed run may have a lower patience than the evaluations it has waited.
        if self._waited >= self._patience:
            self._current = max(self._minimum, self._current * self._reduction)
            self._waited = 0

    def state(self) -> dict[str, Any]:
        """Return the factor, the best loss, and the number of evaluations since the last improvement or reduction."""
        return {"factor": self._current, "best": self._best, "waited": self._waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` returned.

        Raises:
            ValueError: If the state has other keys or types.
        """
        match state:
            case {"factor": int() | float() as factor, "best": int() | float() | None as best, "waited": int(waited)}:
                self._current, self._best, self._waited = float(factor), best, waited
            case _:
                raise ValueError('the state of a plateau schedule must be {"factor": …, "best": …, "waited": …}')


def _warm_up(progress: Progress, steps: int) -> float:
    # `progress.step` counts completed steps. Without + 1, the first step would have a rate of 0.
    return min(1.0, (progress.step + 1) / (steps + 1))


def _count_intervals(progress: Progress, unit: str, every: float, after: float) -> float:
    completed = progress.epoch if unit == "epochs" else progress.step
    return max(0.0, completed - after) / every
