"""The conformance suite of schedules, for subclasses in the tests of a plugin."""

import json
import math
from collections.abc import Mapping
from typing import ClassVar

from seqforge.component_state import checked_state
from seqforge.kinds import Progress, Schedule
from seqforge.kinds.schedule import learning_rate_factor
from seqforge.testing.conformance import Factory, Suite, fail

_LOSSES = (3.0, 2.5, 2.5, 2.4999, math.inf, 2.6, 2.5, math.nan, 2.5, 2.0, 2.0, 2.0, 1e-9, 2.0, 2.0, -1.0, 2.0, 2.0)
"""Validation losses that fall, stand still and diverge."""


class ScheduleSuite(Suite, kind="schedule"):
    """Tests that every schedule must pass, listed as those of `CellSuite`."""

    schedules: ClassVar[Mapping[str, Factory[Schedule]]]

    def test_factors_are_finite_and_not_negative(self, make: Factory[Schedule]) -> None:
        """The factor is a finite number of at least 0 at any progress, and after any validation loss."""
        schedule = make()
        for progress in _extremes():
            learning_rate_factor(schedule, progress)
        for step, loss in enumerate(_LOSSES):
            schedule.observe(loss)
            learning_rate_factor(schedule, Progress(step, step / 4, step / len(_LOSSES)))

    def test_a_factor_depends_on_progress_alone(self, make: Factory[Schedule]) -> None:
        """`factor` returns the same again, whatever progress it received in between, and does not change the state."""
        schedule = make()
        for loss in _LOSSES[:5]:
            schedule.observe(loss)
        before = checked_state(schedule.state)
        places = _extremes()
        first = [learning_rate_factor(schedule, progress) for progress in places]
        for progress, factor in zip(reversed(places), reversed(first), strict=True):
            again = learning_rate_factor(schedule, progress)
            if again != factor:
                problem = f"`factor` at {_shown(progress)} depends on earlier calls"
                fail(make, f"{problem}: keep a state in `observe` and `state`", expected=factor, got=again)
        if checked_state(schedule.state) != before:
            fail(make, "`factor` changes the state", expected=before, got=checked_state(schedule.state))

    def test_a_restored_schedule_continues(self, make: Factory[Schedule]) -> None:
        """A schedule that restores a state returns the same factors as one that was never interrupted."""
        for stop in (0, 3, 8, len(_LOSSES) - 1):
            uninterrupted, resumed = make(), make()
            for loss in _LOSSES[:stop]:
                uninterrupted.observe(loss)
            state = checked_state(uninterrupted.state)
            resumed.restore(json.loads(json.dumps(state)))
            for step in range(stop, len(_LOSSES)):
                progress = Progress(step, step / 4, step / len(_LOSSES))
                expected, got = (learning_rate_factor(schedule, progress) for schedule in (uninterrupted, resumed))
                if expected != got:
                    problem = f"the factor at {_shown(progress)} differs in a resumed run"
                    fail(make, problem, expected=expected, got=got)
                for schedule in (uninterrupted, resumed):
                    schedule.observe(_LOSSES[step])


def _extremes() -> list[Progress]:
    """Return the start, the end and many places between, of short and long runs."""
    fractions = [0.0, 1e-9, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.999, 1.0]
    lengths = [1, 7, 1000, 10**9]
    return [
        Progress(round(fraction * steps), fraction * epochs, fraction)
        for fraction in fractions
        for steps in lengths
        for epochs in (0.01, 10.0, 1e6)
    ]


def _shown(progress: Progress) -> str:
    return f"step {progress.step:,}, epoch {progress.epoch:g}"
