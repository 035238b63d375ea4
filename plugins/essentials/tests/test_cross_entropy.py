"""The loss `cross-entropy`."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.losses import CrossEntropy
from torch import Tensor

from seqforge.kinds import IGNORED_TARGET


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Draw logits and targets of any shape, with some ignored targets."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    symbols = draw(st.integers(1, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    outputs = 3 * torch.randn(*shape, symbols, generator=generator, dtype=torch.float64)
    targets = torch.randint(symbols, shape, generator=generator)
    ignored = torch.rand(shape, generator=generator) < draw(st.sampled_from([0.0, 0.4]))
    return outputs, targets.masked_fill(ignored, IGNORED_TARGET)


@settings(deadline=None, max_examples=60)
@given(batches(), st.sampled_from([0.0, 0.1, 0.9]))
def test_the_loss_is_the_mean_over_targets_that_are_not_ignored(batch: tuple[Tensor, Tensor], smoothing: float):
    outputs, targets = batch
    losses: list[float] = []
    for logits, target in zip(outputs.flatten(end_dim=-2).tolist(), targets.flatten().tolist(), strict=True):
        if target != IGNORED_TARGET:
            total = math.log(sum(math.exp(logit) for logit in logits))
            plain = total - logits[target]
            uniform = sum(total - logit for logit in logits) / len(logits)
            losses.append((1 - smoothing) * plain + smoothing * uniform)
    expected = sum(losses) / max(len(losses), 1)
    assert CrossEntropy(smoothing)(outputs, targets).item() == pytest.approx(expected, abs=1e-9)


def test_the_loss_is_in_nats_only_without_smoothing():
    assert CrossEntropy().in_nats
    assert not CrossEntropy(label_smoothing=0.1).in_nats
    loss = CrossEntropy()(torch.zeros(5, 3, 8), torch.zeros(5, 3, dtype=torch.int32))
    assert loss.item() == pytest.approx(math.log(8))
