"""Each sampler against a plain implementation of its definition."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from seqforge_essentials.samplers import Greedy, MinP, RepetitionPenalty, Temperature, TopK, TopP
from seqforge_essentials.vocabularies import Bytes

from seqforge.kinds import SamplingContext

WEIGHTS = st.lists(st.integers(0, 20), min_size=1, max_size=9).filter(any)
"""Unnormalized probabilities, with ties and zeros."""


def logits_of(weights: list[int]) -> torch.Tensor:
    return torch.tensor([weights], dtype=torch.float64).log()


def kept_symbols(logits: torch.Tensor) -> list[int]:
    (row,) = logits
    return row.isfinite().nonzero().flatten().tolist()


@settings(deadline=None)
@given(WEIGHTS)
def test_greedy_keeps_the_first_most_probable_symbol(weights: list[int]):
    (probabilities,) = Greedy().transform(logits_of(weights), None).softmax(dim=-1).tolist()
    best = weights.index(max(weights))
    assert probabilities == [float(index == best) for index in range(len(weights))]


@settings(deadline=None)
@given(WEIGHTS, st.floats(0.05, 10))
def test_temperature_is_an_exponent_of_the_probabilities(weights: list[int], temperature: float):
    powers = [(weight / max(weights)) ** (1 / temperature) for weight in weights]
    expected = [power / sum(powers) for power in powers]
    (probabilities,) = Temperature(temperature).transform(logits_of(weights), None).softmax(dim=-1).tolist()
    assert probabilities == pytest.approx(expected)


@settings(deadline=None)
@given(WEIGHTS, st.integers(1, 10))
def test_top_k_keeps_symbols_that_fewer_than_k_exceed(weights: list[int], k: int):
    expected = [
        index for index, weight in enumerate(weights) if weight and sum(other > weight for other in weights) < k
    ]
    assert kept_symbols(TopK(k).transform(logits_of(weights), None)) == expected


@settings(deadline=None, max_examples=300)
@given(WEIGHTS, st.integers(1, 1000))
def test_top_p_keeps_the_smallest_set_that_reaches_p(weights: list[int], thousandths: int):
    # p must differ from every possible sum of probabilities, where rounding would decide.
    p = (thousandths - 0.5004) / 1000
    order = sorted(range(len(weights)), key=lambda index: -weights[index])
    sums = [sum(weights[index] for index in order[: count + 1]) / sum(weights) for count in range(len(order))]
    assume(all(abs(total - p) > 1e-9 for total in sums))
    count = next(count for count, total in enumerate(sums, start=1) if total >= p)
    smallest = min(
        size for size in range(1, len(weights) + 1) if sum(sorted(weights, reverse=True)[:size]) / sum(weights) >= p
    )
    assert count == smallest
    assert kept_symbols(TopP(p).transform(logits_of(weights), None)) == sorted(order[:count])


def test_top_p_keeps_the_first_of_equal_symbols():
    assert kept_symbols(TopP(0.3).transform(torch.zeros(1, 10), None)) == [0, 1, 2]
    assert kept_symbols(TopP(0.025).transform(torch.zeros(1, 2000), None)) == list(range(50))
    assert kept_symbols(TopP(1e-9).transform(torch.zeros(1, 10), None)) == [0]


def test_top_p_of_1_keeps_a_long_improbable_tail():
    logits = torch.cat([torch.zeros(1), torch.full((5000,), -16.0)])[None]
    assert len(kept_symbols(TopP(1.0).transform(logits, None))) == 5001


@settings(deadline=None)
@given(WEIGHTS, st.integers(1, 99))
def test_min_p_keeps_symbols_above_a_share_of_the_highest_probability(weights: list[int], hundredths: int):
    min_p = hundredths / 100 + 0.0003
    expected = [index for index, weight in enumerate(weights) if weight >= min_p * max(weights)]
    assert kept_symbols(MinP(min_p).transform(logits_of(weights), None)) == expected


@settings(deadline=None)
@given(
    st.lists(st.floats(-20, 20), min_size=4, max_size=4),
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6),
    st.floats(1, 5),
    st.integers(1, 8),
)
def test_the_repetition_penalty_applies_to_the_prompt_and_the_draws_in_its_window(
    values: list[float], prompt: list[int], draws: list[tuple[int, int]], penalty: float, window: int
):
    sampler = RepetitionPenalty(penalty, window)
    context = SamplingContext(
        torch.tensor(prompt, dtype=torch.int64), batch_size=2, length=len(draws), vocabulary=Bytes()
    )
    logits = torch.tensor([values, values[::-1]], dtype=torch.float64)
    memory = sampler.start(context)
    for step in range(len(draws) + 1):
        transformed = sampler.transform(logits, memory)
        for row in range(2):
            recent = [*prompt, *(drawn[row] for drawn in draws[:step])][-window:]
            expected = [
                value if symbol not in recent else value / penalty if value > 0 else value * penalty
                for symbol, value in enumerate(logits[row].tolist())
            ]
            assert transformed[row].tolist() == pytest.approx(expected)
        if step < len(draws):
            before = memory.clone()
            after = sampler.advance(memory, torch.tensor(draws[step]), torch.zeros(1, 1))
            assert torch.equal(memory, before), "`advance` changed its input"
            memory = after
    assert memory.shape[1] <= window
