"""Properties of every sampler in any chain."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.samplers import Greedy, MinP, RepetitionPenalty, Temperature, TopK, TopP
from seqforge_essentials.vocabularies import Bytes
from torch import Tensor

from seqforge.interfaces import Sampler, SamplingContext

SAMPLERS = st.one_of(
    st.just(Greedy()),
    st.floats(0.001, 100).map(Temperature),
    st.integers(1, 12).map(TopK),
    st.floats(0, 1, exclude_min=True).map(TopP),
    st.floats(0, 1, exclude_min=True).map(MinP),
    st.builds(RepetitionPenalty, penalty=st.floats(1, 10), window=st.integers(1, 5)),
)


@st.composite
def logits(draw: st.DrawFn) -> Tensor:
    """Draw logits `[batch, symbols]` with ties and excluded symbols, but at least one finite logit per row."""
    batch, symbols = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    values = st.floats(-50, 50, width=32) | st.sampled_from([-torch.inf, 0.0, 1.0, -1.0])
    rows = [draw(st.lists(values, min_size=symbols, max_size=symbols)) for _ in range(batch)]
    for row in rows:
        if all(value == -torch.inf for value in row):
            row[draw(st.integers(0, symbols - 1))] = 0.5
    return torch.tensor(rows)


def initial_memory(sampler: Sampler, values: Tensor) -> object:
    prompt = torch.arange(min(2, values.shape[1]))
    return sampler.start(SamplingContext(prompt, batch_size=len(values), length=9, vocabulary=Bytes()))


@settings(deadline=None, max_examples=300)
@given(logits(), st.lists(SAMPLERS, min_size=1, max_size=3))
def test_every_row_keeps_a_symbol_and_has_no_nan(values: Tensor, chain: list[Sampler]):
    for sampler in chain:
        before = values.clone()
        transformed = sampler.transform(values, initial_memory(sampler, values))
        assert torch.equal(values, before), "the sampler changed its input"
        assert not transformed.isnan().any()
        assert not (transformed == torch.inf).any()
        assert transformed.isfinite().any(dim=-1).all()
        assert (transformed[values == -torch.inf] == -torch.inf).all(), "an excluded symbol became possible"
        assert not transformed.softmax(dim=-1).isnan().any()
        values = transformed


@settings(deadline=None, max_examples=150)
@given(logits(), SAMPLERS, st.data())
def test_rows_do_not_affect_each_other(values: Tensor, sampler: Sampler, data: st.DataObject):
    row = data.draw(st.integers(0, len(values) - 1))
    tokens = torch.tensor(
        data.draw(st.lists(st.integers(0, values.shape[1] - 1), min_size=4, max_size=4))[: len(values)]
    )
    alone = values[row : row + 1]
    memory = sampler.advance(initial_memory(sampler, values), tokens)
    memory_alone = sampler.advance(initial_memory(sampler, alone), tokens[row : row + 1])
    together = sampler.transform(values, memory)[row : row + 1]
    torch.testing.assert_close(together, sampler.transform(alone, memory_alone), rtol=0, atol=0)


@settings(deadline=None, max_examples=150)
@given(
    logits(),
    st.one_of(
        st.just(Greedy()), st.integers(1, 12).map(TopK), st.floats(0, 1, exclude_min=True).map(MinP), st.just(TopP(1.0))
    ),
)
def test_a_second_application_changes_nothing(values: Tensor, sampler: Sampler):
    once = sampler.transform(values, None)
    assert torch.equal(sampler.transform(once, None), once)


@settings(deadline=None, max_examples=100)
@given(logits())
@pytest.mark.parametrize("sampler", [Temperature(1.0), TopK(9), TopP(1.0), RepetitionPenalty(penalty=1.0)])
def test_the_neutral_value_of_an_option_changes_nothing(sampler: Sampler, values: Tensor):
    transformed = sampler.transform(values, initial_memory(sampler, values))
    # With p = 1, `top-p` excludes only symbols whose probability is 0 in float32.
    assert torch.equal(transformed.softmax(dim=-1), values.softmax(dim=-1))
    if not isinstance(sampler, TopP):
        assert torch.equal(transformed, values)
