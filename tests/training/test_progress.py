"""The progress of a run: the fraction of its limit, and its epoch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqforge.experiment.settings import Training
from seqforge.training.endings import measure_progress


@given(step=st.integers(0, 10_000), steps_per_epoch=st.integers(1, 500), seconds=st.floats(0, 1e5))
def test_the_fraction_is_that_of_the_nearest_limit(step: int, steps_per_epoch: int, seconds: float) -> None:
    training = Training(steps=1000, epochs=10.0, minutes=2.0)
    progress = measure_progress(training, step, steps_per_epoch, seconds)
    expected = max(step / 1000, step / steps_per_epoch / 10, seconds / 120)
    assert progress.fraction == pytest.approx(min(1.0, expected))
    assert progress.epoch == step / steps_per_epoch


def test_without_a_limit_a_run_has_2000_steps() -> None:
    assert Training().steps == 2000
    assert Training(minutes=1.0).steps is None
