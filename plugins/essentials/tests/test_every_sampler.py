"""Properties of several samplers. The suite in test_conformance.py tests those that all samplers have."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.samplers import Greedy, MinP, RepetitionPenalty, Temperature, TopK, TopP
from seqforge_essentials.vocabularies import Bytes
from torch import Tensor

from seqforge import Experiment
from seqforge.errors import ExperimentError
from seqforge.kinds import Sampler, SamplingContext


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


@pytest.mark.parametrize(("name", "option"), [("temperature", "temperature"), ("repetition-penalty", "penalty")])
def test_a_divisor_beyond_float32_is_an_error(name: str, option: str):
    table = {"corpus": {"use": "inline", "text": "hello"}, "sampler": [{"use": name, option: 1e39}]}
    with pytest.raises(ExperimentError, match=f"sampler.0.{option}: should be less than or equal to 1000"):
        Experiment.from_dict({"experiment": {"name": "divisor"}, **table})
