"""Schedules: values, bounds, and the state for a resumed run."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.schedules import Constant, Cosine, Exponential, Plateau, Step, WarmupStableDecay

from seqforge.kinds import Progress, Schedule

FACTORS = st.floats(0.001, 1)
PERIODIC = {
    "every": st.floats(0.01, 1000),
    "unit": st.sampled_from(["epochs", "steps"]),
    "after": st.floats(0, 1000),
    "factor": FACTORS,
}
FALLING = st.one_of(
    st.just(Constant()),
    st.builds(Step, **PERIODIC),
    st.builds(Exponential, **PERIODIC),
    st.builds(Cosine, final_factor=st.floats(0, 1)),
    st.builds(WarmupStableDecay, decay_fraction=st.floats(0.01, 1), final_factor=st.floats(0, 1)),
)
PROGRESS = st.builds(Progress, step=st.integers(0, 10**9), epoch=st.floats(0, 1e6), fraction=st.floats(0, 1))


def at(step: int = 0, epoch: float = 0.0, fraction: float = 0.0) -> Progress:
    return Progress(step, epoch, fraction)


@settings(deadline=None)
@given(
    FALLING | st.sampled_from([Cosine, WarmupStableDecay]).flatmap(lambda kind: st.builds(kind, st.integers(0, 10**6))),
    PROGRESS,
)
def test_a_factor_is_between_0_and_1(schedule: Schedule, progress: Progress):
    assert 0 <= schedule.factor(progress) <= 1


@settings(deadline=None)
@given(FALLING, PROGRESS, PROGRESS)
def test_a_factor_never_rises_without_a_warm_up(schedule: Schedule, one: Progress, other: Progress):
    early = Progress(min(one.step, other.step), min(one.epoch, other.epoch), min(one.fraction, other.fraction))
    late = Progress(max(one.step, other.step), max(one.epoch, other.epoch), max(one.fraction, other.fraction))
    assert schedule.factor(late) <= schedule.factor(early)


@settings(deadline=None)
@given(FALLING)
def test_a_factor_starts_at_1(schedule: Schedule):
    assert schedule.factor(at()) == 1


def test_step_reduces_the_rate_after_complete_intervals():
    schedule = Step(every=2.0, after=1.0, factor=0.5)
    factors = [schedule.factor(at(epoch=epoch)) for epoch in (0.0, 2.9, 3.0, 4.9, 5.0, 7.0)]
    assert factors == [1, 1, 0.5, 0.5, 0.25, 0.125]
    steps = Step(every=100.0, unit="steps", factor=0.1)
    assert [steps.factor(at(step=step, epoch=50.0)) for step in (99, 100)] == [1, 0.1]


def test_step_tolerates_rounding_of_the_number_of_intervals():
    assert 0.3 / 0.1 < 3
    assert Step(every=0.1).factor(at(epoch=0.3)) == 0.125


def test_exponential_applies_its_factor_once_per_interval():
    schedule = Exponential(every=10.0, unit="steps", after=5.0, factor=0.9)
    assert [schedule.factor(at(step=step)) for step in (5, 15, 10, 25)] == pytest.approx([1, 0.9, 0.9**0.5, 0.81])


def test_cosine_depends_on_the_completed_fraction_of_the_run():
    schedule = Cosine(final_factor=0.2)
    factors = [schedule.factor(at(fraction=fraction)) for fraction in (0.0, 1 / 3, 0.5, 1.0)]
    assert factors == pytest.approx([1, 0.2 + 0.8 * 0.75, 0.6, 0.2])


def test_a_stable_rate_falls_linearly_at_the_end_of_the_run():
    schedule = WarmupStableDecay(decay_fraction=0.25, final_factor=0.2)
    factors = [schedule.factor(at(step=9, fraction=fraction)) for fraction in (0.0, 0.5, 0.75, 0.875, 1.0)]
    assert factors == pytest.approx([1, 1, 1, 0.6, 0.2])
    warming = WarmupStableDecay(warmup_steps=4)
    assert [warming.factor(at(step=step)) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])


def test_a_warm_up_is_linear_and_starts_above_0():
    schedule = Cosine(warmup_steps=4)
    assert [schedule.factor(at(step=step)) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
    assert Cosine(warmup_steps=0).factor(at()) == 1
    assert Cosine(warmup_steps=1).factor(at(step=0, fraction=1.0)) == pytest.approx(0.5 * 0.1)


LOSSES = st.lists(
    st.sampled_from([3.0, 2.5, 2.4995, 2.4, 2.0, math.nan, math.inf, -1.0]) | st.floats(-10, 10), max_size=40
)
PLATEAUS = {
    "patience": st.integers(1, 4),
    "factor": st.floats(0.1, 0.9),
    "threshold": st.floats(0, 0.5),
    "minimum_factor": st.floats(0, 0.2),
}


@settings(deadline=None)
@given(LOSSES, st.fixed_dictionaries(PLATEAUS))
def test_plateau_equals_that_of_torch(losses: list[float], options: dict[str, float]):
    schedule = Plateau(**options)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    # The patience of torch is the number of evaluations before the one that causes a reduction.
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        patience=options["patience"] - 1,
        factor=options["factor"],
        threshold=options["threshold"],
        threshold_mode="abs",
        min_lr=options["minimum_factor"],
        eps=0,
    )
    for loss in losses:
        before = schedule.factor(at())
        schedule.observe(loss)
        reference.step(loss)
        assert schedule.factor(at()) == pytest.approx(optimizer.param_groups[0]["lr"])
        assert options["minimum_factor"] <= schedule.factor(at()) <= before


def test_plateau_ignores_improvements_below_its_threshold():
    schedule = Plateau(patience=2, factor=0.5, threshold=0.1, minimum_factor=0.2)
    factors: list[float] = []
    for loss in (3.0, 2.95, 2.92, 2.8, 2.75, 2.71, 2.72, 2.73):
        schedule.observe(loss)
        factors.append(schedule.factor(at()))
    assert factors == [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2]


def test_a_lower_patience_applies_to_a_resumed_run():
    schedule = Plateau(patience=2)
    schedule.restore({"factor": 1.0, "best": 2.0, "waited": 3})
    schedule.observe(2.0)
    assert schedule.state() == {"factor": 0.5, "best": 2.0, "waited": 0}


@pytest.mark.parametrize("state", [{}, {"factor": 1.0, "best": "2", "waited": 0}, {"factor": 1.0, "best": 2.0}])
def test_an_invalid_state_is_an_error(state: dict[str, object]):
    with pytest.raises(ValueError, match="state of a plateau"):
        Plateau().restore(state)


def test_other_schedules_have_no_state():
    for schedule in (Constant(), Step(), Exponential(), Cosine()):
        schedule.observe(1.0)
        assert schedule.state() == {}
