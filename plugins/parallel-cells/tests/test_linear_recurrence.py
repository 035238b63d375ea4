"""Values and gradients of the two scans, compared with each other and with a loop that autograd differentiates."""

from typing import NamedTuple

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqforge_parallel_cells.linear_recurrence import linear_recurrence, parallel_scan, scan_for, sequential_scan
from torch import Tensor

SCANS = {"sequential": sequential_scan, "parallel": parallel_scan}
every_scan = pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS.keys())


class Shape(NamedTuple):
    time: int
    batch: int
    hidden: int


shapes = st.builds(Shape, st.integers(1, 300), st.integers(1, 5), st.integers(1, 9))
seeds = st.integers(0, 2**16)


class Coefficients(NamedTuple):
    decays: Tensor
    addends: Tensor
    start: Tensor


def draw_coefficients(shape: Shape, seed: int, dtype: torch.dtype = torch.float64) -> Coefficients:
    """Draw decays from 0 to 1, some of them exactly 0 or 1, and addends and a start of both signs."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=dtype)

    decays = torch.sigmoid(4 * normal(*shape))
    decays[normal(*shape) > 2] = 0
    decays[normal(*shape) > 2] = 1
    return Coefficients(decays, normal(*shape), normal(*shape[1:]))


def compute_in_loop(decays: Tensor, addends: Tensor, start: Tensor) -> Tensor:
    state, states = start, []
    for decay, addend in zip(decays, addends, strict=True):
        state = decay * state + addend
        states.append(state)
    return torch.stack(states)


def values_and_gradients(recurrence, given: Coefficients) -> tuple[Tensor, ...]:
    leaves = [tensor.clone().requires_grad_() for tensor in given]
    states = recurrence(*leaves)
    weights = torch.linspace(0.5, 1.5, states.numel(), dtype=states.dtype).view_as(states)
    return (states, *torch.autograd.grad((weights * states).sum() + states[-1].square().sum(), leaves))


@every_scan
def test_values_and_gradients_equal_those_of_the_loop(scan):
    @settings(max_examples=40)
    @given(shape=shapes, seed=seeds)
    @example(shape=Shape(1, 1, 1), seed=0)
    @example(shape=Shape(256, 2, 3), seed=0)
    @example(shape=Shape(257, 2, 3), seed=0)
    def holds(shape: Shape, seed: int) -> None:
        given = draw_coefficients(shape, seed)
        found = values_and_gradients(lambda *leaves: linear_recurrence(scan, *leaves), given)
        torch.testing.assert_close(found, values_and_gradients(compute_in_loop, given), rtol=1e-11, atol=1e-11)

    holds()


@settings(max_examples=40)
@given(shape=shapes, seed=seeds)
def test_the_scans_agree_in_float32(shape, seed):
    given = draw_coefficients(shape, seed, torch.float32)
    sequential, parallel = (
        values_and_gradients(lambda *leaves, scan=scan: linear_recurrence(scan, *leaves), given)
        for scan in SCANS.values()
    )
    torch.testing.assert_close(parallel, sequential, rtol=1e-4, atol=1e-4)


@every_scan
@pytest.mark.parametrize("strength", [1.0, 30.0])
def test_rounding_errors_in_float32_do_not_grow_with_the_length(scan, strength):
    # All numbers are positive, as in the cells. Nothing cancels, so the relative error of every state is small.
    generator = torch.Generator().manual_seed(0)
    decays = torch.sigmoid(-strength * torch.rand(3000, 2, 8, generator=generator, dtype=torch.float64)).float()
    addends = torch.rand(3000, 2, 8, generator=generator)
    start = torch.ones(2, 8)
    states = linear_recurrence(scan, decays, addends, start)
    expected = linear_recurrence(sequential_scan, decays.double(), addends.double(), start.double())
    torch.testing.assert_close(states.double(), expected, rtol=1e-6, atol=0)


@every_scan
@pytest.mark.parametrize("reverse", [False, True])
@given(shape=shapes, seed=seeds)
@settings(max_examples=20)
def test_the_states_satisfy_the_recurrence_in_both_directions(scan, reverse, shape, seed):
    decays, addends, start = draw_coefficients(shape, seed)
    states = scan(start, decays, addends, reverse)
    if reverse:
        states, decays, addends = states.flip(0), decays.flip(0), addends.flip(0)
    assert torch.equal(states[0], start)
    torch.testing.assert_close(states[1:], decays * states[:-1] + addends, rtol=1e-11, atol=1e-11)


@every_scan
def test_without_steps_the_result_is_the_start(scan):
    start = torch.ones(2, 3)
    assert torch.equal(scan(start, torch.empty(0, 2, 3), torch.empty(0, 2, 3)), start[None])


@every_scan
def test_gradients_agree_with_finite_differences(scan):
    leaves = [tensor.requires_grad_() for tensor in draw_coefficients(Shape(7, 2, 3), 0)]
    torch.autograd.gradcheck(lambda *given: linear_recurrence(scan, *given), leaves)


@every_scan
def test_the_gradient_of_one_argument_does_not_depend_on_those_of_the_others(scan):
    decays, addends, start = draw_coefficients(Shape(9, 2, 3), 1)
    _, expected, _, _ = values_and_gradients(lambda *leaves: linear_recurrence(scan, *leaves), (decays, addends, start))
    leaf = decays.clone().requires_grad_()
    states = linear_recurrence(scan, leaf, addends, start)
    weights = torch.linspace(0.5, 1.5, states.numel(), dtype=states.dtype).view_as(states)
    (gradient,) = torch.autograd.grad((weights * states).sum() + states[-1].square().sum(), leaf)
    assert torch.equal(gradient, expected)


@every_scan
def test_coefficients_may_be_views_and_are_not_changed(scan):
    both = torch.rand(10, 4, 6, dtype=torch.float64)
    decays, addends = both.chunk(2, dim=-1)
    start = torch.rand(8, 3, dtype=torch.float64)[::2]
    before = both.clone()
    states = linear_recurrence(scan, decays, addends, start)
    torch.testing.assert_close(states, compute_in_loop(decays, addends, start))
    assert torch.equal(both, before)


@every_scan
def test_a_second_derivative_is_an_error(scan):
    leaves = [tensor.requires_grad_() for tensor in draw_coefficients(Shape(3, 1, 2), 0)]
    (first,) = torch.autograd.grad(linear_recurrence(scan, *leaves).square().sum(), leaves[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@pytest.mark.parametrize(
    ("device", "scan"), [("cpu", sequential_scan), ("mps", sequential_scan), ("cuda:1", parallel_scan)]
)
def test_only_a_cuda_device_scans_in_parallel(device, scan):
    assert scan_for(torch.device(device)) is scan
