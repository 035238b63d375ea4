"""Schedules: the learning rate over a run."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: Optimizer steps done.
        epoch: Passes over the training split done, in fractions.
        fraction: The done part of the run, from 0 to 1, by whichever of steps, epochs or minutes ends it first.
    """

    step: int
    epoch: float
    fraction: float


class Schedule(ABC):
    """Gives the factor on the learning rate before each step.

    A schedule without memory writes `factor` alone.
    """

    @abstractmethod
    def factor(self, progress: Progress) -> float:
        """Give the factor for the coming step.

        Args:
            progress: How far the run has come.

        Returns:
            What the optimizer's learning rate is multiplied by, at least 0.
        """

    def observe(self, validation_loss: float) -> None:
        """Take note of an evaluation; by default nothing.

        Args:
            validation_loss: In nats a token.
        """

    def state(self) -> dict[str, Any]:
        """Give what a resumed run needs, as plain JSON values; by default nothing."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave; by default nothing.

        Args:
            state: What `state` gave, from this or another process.
        """
