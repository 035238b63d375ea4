"""The loss `ctc`, against the explicit sum over all alignments."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.losses import CTC

from seqforge.kinds import IGNORED_TARGET

BLANK = 2


def collapse(path: tuple[int, ...]) -> list[int]:
    return [symbol for symbol, _ in itertools.groupby(path) if symbol != BLANK]


def likelihood(logits: torch.Tensor, sequence: list[int]) -> float:
    probabilities = logits.softmax(-1).tolist()
    return sum(
        math.prod(probabilities[step][symbol] for step, symbol in enumerate(path))
        for path in itertools.product(range(BLANK + 1), repeat=len(probabilities))
        if collapse(path) == sequence
    )


@settings(deadline=None, max_examples=40)
@given(time=st.integers(1, 5), sequence=st.lists(st.integers(0, 1), max_size=3), seed=st.integers(0, 2**20))
def test_the_loss_sums_over_all_alignments(time: int, sequence: list[int], seed: int):
    logits = torch.randn(time, 1, BLANK + 1, generator=torch.Generator().manual_seed(seed))
    targets = torch.tensor([*sequence, IGNORED_TARGET]).unsqueeze(1)
    total = likelihood(logits[:, 0], sequence)
    # A target without an alignment contributes 0.
    expected = -math.log(total) / max(len(sequence), 1) if total else 0.0
    assert CTC()(logits, targets).item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_loss_is_a_mean_over_the_symbols_of_all_targets():
    logits = torch.randn(4, 2, BLANK + 1)
    targets = torch.tensor([[0, 1], [1, IGNORED_TARGET]])
    nats = -math.log(likelihood(logits[:, 0], [0, 1])) - math.log(likelihood(logits[:, 1], [1]))
    assert CTC()(logits, targets).item() == pytest.approx(nats / 3, rel=1e-4)


@pytest.mark.parametrize(("sequences", "count"), [([[0, 1], []], 3), ([[], []], 2)])
def test_an_empty_target_counts_as_one_symbol(sequences: list[list[int]], count: int):
    logits = torch.randn(4, 2, BLANK + 1)
    targets = torch.tensor([[*sequence, *[IGNORED_TARGET] * (2 - len(sequence))] for sequence in sequences]).t()
    nats = -sum(math.log(likelihood(logits[:, row], sequence)) for row, sequence in enumerate(sequences))
    assert CTC()(logits, targets).item() == pytest.approx(nats / count, rel=1e-4)
