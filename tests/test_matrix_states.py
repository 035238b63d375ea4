"""The recurrence of matrix states: chunks against single steps, for every rule and hostile decays, rates and keys."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matrix_parts import RULES, make_parts
from torch import Tensor

from seqforge.matrix_states import Parts, delta_rule, read_chunk, read_steps


def in_chunks(parts: Parts, state: Tensor, size: int) -> tuple[Tensor, Tensor]:
    outputs: list[Tensor] = []
    for start in range(0, len(parts.key), size):
        output, state = read_chunk(Parts(*(p if p is None else p[start : start + size] for p in parts)), state)
        outputs.append(output)
    return torch.cat(outputs), state


def start_of(parts: Parts, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed + 1)
    shape = (2, 2, parts.key.shape[-1], parts.value.shape[-1])
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@given(
    rule=st.sampled_from(RULES),
    steps=st.integers(1, 70),
    size=st.sampled_from([1, 2, 15, 16, 17, 32, 64]),
    sizes=st.sampled_from([(5, 3), (1, 1), (3, 8)]),
    seed=st.integers(0, 10_000),
)
def test_chunks_compute_what_single_steps_compute(rule: str, steps: int, size: int, sizes: tuple[int, int], seed: int):
    parts = make_parts(rule, (steps, 2, 2), sizes, seed=seed)
    state = start_of(parts, seed)
    expected, expected_state = read_steps(parts, state)
    outputs, after = in_chunks(parts, state, size)
    # The general rule may grow without a bound, so the tolerance is relative to the largest number.
    largest = max(float(expected.abs().max()), float(expected_state.abs().max()), 1.0)
    assert torch.isfinite(outputs).all()
    assert float((outputs - expected).abs().max()) <= 1e-10 * largest
    assert float((after - expected_state).abs().max()) <= 1e-10 * largest


@pytest.mark.parametrize("rule", RULES)
def test_gradients_of_chunks_are_those_of_single_steps(rule: str):
    results: list[list[Tensor]] = []
    for recurrence in (read_steps, lambda parts, state: in_chunks(parts, state, 8)):
        parts = make_parts(rule, (19, 2, 2), seed=3, scale=0.5)
        leaves = [part.detach().clone().requires_grad_() for part in parts if part is not None]
        given_parts = iter(leaves)
        parts = Parts(*(None if part is None else next(given_parts) for part in parts))
        state = start_of(parts, 3).requires_grad_()
        outputs, after = recurrence(parts, state)
        loss = outputs.square().sum() + after.sin().sum()
        results.append(list(torch.autograd.grad(loss, [*leaves, state])))
    for expected, found in zip(*results, strict=True):
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


@pytest.mark.parametrize("rule", ["gated", "gated by keys", "gated delta"])
def test_a_chunk_passes_finite_differences(rule: str):
    parts = make_parts(rule, (4, 2, 2), seed=5)
    assert parts.log_decay is not None
    parts = parts._replace(log_decay=parts.log_decay.clamp(min=-3))  # a slope of exp(-60) is below any difference
    leaves = [part.detach().clone().requires_grad_() for part in parts if part is not None]

    def run(state: Tensor, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        given_parts = iter(tensors)
        return read_chunk(Parts(*(None if part is None else next(given_parts) for part in parts)), state)

    assert torch.autograd.gradcheck(run, (start_of(parts, 5).requires_grad_(), *leaves))


@pytest.mark.parametrize("rule", ["linear", "gated", "gated by keys", "delta", "gated delta"])
def test_float32_stays_near_float64(rule: str):
    parts = make_parts(rule, (300, 2, 2), seed=1)
    state = start_of(parts, 1)
    expected, _ = read_steps(parts, state)
    single = Parts(*(part if part is None else part.float() for part in parts))
    outputs, _ = in_chunks(single, state.float(), 32)
    assert float((outputs.double() - expected).abs().max()) <= 2e-5 * float(expected.abs().max())


def test_the_delta_rule_replaces_the_value_of_a_key():
    key = torch.nn.functional.normalize(torch.randn(1, 1, 1, 4, dtype=torch.float64), dim=-1)
    value = torch.randn(1, 1, 1, 3, dtype=torch.float64)
    state = torch.randn(1, 1, 4, 3, dtype=torch.float64)
    parts = Parts(key, key, value)
    for rate, expected in ((0.0, key[0, 0, 0] @ state[0, 0]), (1.0, value[0, 0, 0])):
        reads, _ = read_steps(delta_rule(parts, torch.full((1, 1, 1), rate, dtype=torch.float64)), state)
        torch.testing.assert_close(reads[0, 0, 0], expected)
    # A rate of 2 reflects: what the state held for the key has the opposite sign, if the value is 0.
    reads, _ = read_steps(delta_rule(parts._replace(value=value * 0), torch.full((1, 1, 1), 2.0).double()), state)
    torch.testing.assert_close(reads[0, 0, 0], -(key[0, 0, 0] @ state[0, 0]))
