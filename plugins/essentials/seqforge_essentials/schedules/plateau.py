"""A learning rate that falls when the validation loss no longer does."""

from typing import Annotated, Any

from pydantic import Field

from seqforge.interfaces import Progress, Schedule
from seqforge_essentials.schedules.units import Factor


class Plateau(Schedule):
    """Reduces the learning rate after some evaluations without an improvement, and waits as long again.

    Args:
        patience: Evaluations without an improvement after which the learning rate is reduced.
        factor: What a reduction multiplies it by.
        threshold: By how much, in nats a token, the best loss so far must be undercut to count as an improvement.
        minimum_factor: What the reductions together never go below.
    """

    def __init__(
        self,
        patience: Annotated[int, Field(ge=1, description="Evaluations without an improvement to wait for.")] = 3,
        factor: Factor = 0.5,
        threshold: Annotated[float, Field(ge=0, description="Least improvement, in nats a token.")] = 1e-3,
        minimum_factor: Annotated[float, Field(ge=0, le=1, description="The factor never goes below it.")] = 0.01,
    ) -> None:
        self._patience = patience
        self._reduction = factor
        self._threshold = threshold
        self._minimum = minimum_factor
        self._current = 1.0
        self._best: float | None = None
        self._waited = 0

    def factor(self, progress: Progress) -> float:
        """Give what the reductions so far have left.

        Args:
            progress: How far the run has come.
        """
        return self._current

    def observe(self, validation_loss: float) -> None:
        """Reduce the factor if this evaluation was one too many without an improvement.

        Args:
            validation_loss: In nats a token.
        """
        if validation_loss < (float("inf") if self._best is None else self._best - self._threshold):
            self._best = validation_loss
            self._waited = 0
            return
        self._waited += 1
        if self._waited == self._patience:
            self._current = max(self._minimum, self._current * self._reduction)
            self._waited = 0

    def state(self) -> dict[str, Any]:
        """Give the factor, the best loss, and how many evaluations have been waited."""
        return {"factor": self._current, "best": self._best, "waited": self._waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave.

        Args:
            state: What `state` gave.

        Raises:
            ValueError: Where it is not such a state.
        """
        match state:
            case {"factor": int() | float() as factor, "best": int() | float() | None as best, "waited": int(waited)}:
                self._current, self._best, self._waited = float(factor), best, waited
            case _:
                raise ValueError("the state of a plateau schedule has a factor, a best loss and a count")
