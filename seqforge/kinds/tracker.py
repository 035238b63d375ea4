"""Trackers: programs in which users collect and compare the curves of many runs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["TrackedRun", "Tracker"]


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run, as its tracker receives it.

    Attributes:
        name: Name of the run directory.
        directory: The run directory.
        experiment: The resolved experiment, as tables and plain values.
        step: Optimizer steps taken before.
        identifier: What `Tracker.start` returned when the run started; None for a new run.
    """

    name: str
    directory: Path
    experiment: Mapping[str, Any]
    step: int
    identifier: str | None


class Tracker(ABC):
    """A connection to a program that displays the curves, samples and settings of runs.

    The methods are called inside the training loop, so they must return quickly. If one raises an exception, seqforge
    prints a warning and does not call the tracker again; training continues.
    """

    @abstractmethod
    def start(self, run: TrackedRun) -> str:
        """Start to track a run, or continue.

        Returns:
            An identifier, which the run directory stores. A resumed run passes it to `start`, so that it continues the
            same tracked run. It has up to 200 letters, digits, hyphens, dots and underscores.
        """

    @abstractmethod
    def log_values(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step by name, such as `training/loss`. They may be infinite or NaN."""

    @abstractmethod
    def log_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Log texts of a step by name, such as `samples/1`. A text may contain any characters."""

    @abstractmethod
    def log_file(self, path: Path) -> None:
        """Store a file with the tracked run, such as the report."""

    @abstractmethod
    def finish(self, *, complete: bool) -> None:
        """End the tracking. `complete` states whether the run reached its end."""


def identifier_fault(value: Any) -> str | None:
    """Return what is wrong with a result of `Tracker.start`, or None."""
    if isinstance(value, str) and re.fullmatch(r"[\w.-]{1,200}", value):
        return None
    required = "an identifier of up to 200 letters, digits, hyphens, dots and underscores"
    return f"returned {value!r:.60}, which is not {required}"
