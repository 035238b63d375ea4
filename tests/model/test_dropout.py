"""Dropout: how many values are dropped, the scale of the others, and the gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqforge.dropout import Dropout


@given(
    probability=st.floats(0.01, 0.9999),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_each_value_is_dropped_or_scaled_and_so_is_its_gradient(probability: float, shape: list[int], seed: int):
    inputs = (torch.rand(shape, dtype=torch.float64) + 1).requires_grad_()
    torch.manual_seed(seed)
    outputs = Dropout(probability)(inputs)
    outputs.sum().backward()
    assert inputs.grad is not None
    kept = outputs != 0
    assert torch.equal(outputs, inputs * inputs.grad)
    assert bool((inputs.grad[~kept] == 0).all())
    # The probability is exact to 1/65,536, which also bounds the scale.
    torch.testing.assert_close(
        inputs.grad[kept],
        torch.full_like(inputs.grad[kept], 1 / (1 - probability)),
        rtol=2**-17 / (1 - probability),
        atol=0,
    )


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_given_fraction_is_dropped_and_the_mean_stays(probability: float, dtype: torch.dtype):
    torch.manual_seed(5)
    outputs = Dropout(probability)(torch.ones(400_000, dtype=dtype)).float()
    deviation = (probability * (1 - probability) / 400_000) ** 0.5
    assert abs((outputs == 0).float().mean().item() - probability) < 5 * deviation
    assert abs(outputs.mean().item() - 1) < 5 * deviation / (1 - probability) + 2**-8 * (dtype == torch.bfloat16)


def test_neighbouring_values_are_dropped_independently():
    torch.manual_seed(6)
    dropped = (Dropout(0.5)(torch.ones(400_000)) == 0).double() - 0.5
    for distance in range(1, 9):
        correlation = 4 * (dropped[distance:] * dropped[:-distance]).mean().item()
        assert abs(correlation) < 5 / 400_000**0.5


def test_dropout_is_a_function_of_the_random_state():
    inputs = torch.ones(1000)
    state = torch.random.get_rng_state()
    first = Dropout(0.5)(inputs)
    assert not torch.equal(Dropout(0.5)(inputs), first)
    torch.random.set_rng_state(state)
    assert torch.equal(Dropout(0.5)(inputs), first)


def test_nothing_is_dropped_outside_training_or_at_probability_zero():
    inputs = torch.randn(50)
    assert Dropout(0.9).eval()(inputs) is inputs
    assert Dropout(0.0)(inputs) is inputs
