"""Conformance of the tracker whose library is in the development environment."""

from collections import defaultdict
from collections.abc import Sequence
from typing import ClassVar

import pytest
from seqforge_trackers.tensorboard import FOLDER, TensorBoard

from seqforge.kinds import TrackedRun
from seqforge.testing.tracker_suite import TrackerSuite


class TestTensorBoard(TrackerSuite):
    trackers: ClassVar = {"tensorboard": TensorBoard}

    def recorded(self, run: TrackedRun) -> Sequence[tuple[int, dict[str, float]]]:
        accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        events = accumulator.EventAccumulator(str(run.directory / FOLDER))
        events.Reload()
        steps: dict[int, dict[str, float]] = defaultdict(dict)
        for name in events.Tags()["scalars"]:
            for event in events.Scalars(name):
                steps[event.step][name] = event.value
        return sorted(steps.items())
