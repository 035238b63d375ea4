"""Batches of a training stream: a function of seed and number, with new examples in every batch."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_examples import CLASSES, Made
from seqforge_essentials.vocabularies import Characters

from seqforge import Experiment, Registry, train
from seqforge.data.drawn_batches import WINDOW, DrawnBatches
from seqforge.data.padded_batches import PaddedBatch
from seqforge.distribution.world import ALONE, World
from seqforge.errors import DataError, PluginError
from seqforge.kinds import Classes, ExampleSpec, Text

SPEC = ExampleSpec(Text(), "sequence", Classes(CLASSES), "every step")


def batches(corpus: Made, rows: int = 4, tokens: int = 1000, seed: int = 0) -> DrawnBatches:
    vocabulary = Characters()
    vocabulary.learn([b"aebcd."])
    return DrawnBatches(corpus, SPEC, vocabulary, rows, tokens, seed, None)


def endless(longest: int = 9) -> Made:
    return Made(output_mode="every step", endless=True, longest=longest)


def same(one: PaddedBatch, other: PaddedBatch) -> bool:
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)


@given(seed=st.integers(0, 5), numbers=st.lists(st.integers(0, 3 * WINDOW), min_size=1, max_size=5))
def test_a_batch_depends_on_the_seed_and_its_number_only(seed: int, numbers: list[int]) -> None:
    stream = batches(endless(), seed=seed)
    for number in numbers:
        batch, share = stream.part(number, ALONE)
        assert same(batch, batches(endless(), seed=seed).part(number, ALONE)[0])
        assert not same(batch, batches(endless(), seed=seed + 1).part(number, ALONE)[0])
        assert batch.inputs.shape[1] == 4
        assert (share.targets, share.all_steps) == (batch.target_count, int(batch.lengths.sum()))


def test_no_batch_is_repeated() -> None:
    stream = batches(endless(longest=30), rows=8)
    seen = {stream.part(number, ALONE)[0].inputs.numpy().tobytes() for number in range(20 * WINDOW)}
    assert len(seen) == 20 * WINDOW


def test_the_batches_of_a_window_hold_the_drawn_examples_by_length() -> None:
    corpus, rows = endless(longest=40), 8
    draw, generator = corpus.training_stream(), np.random.default_rng([3, 1])
    assert draw is not None
    drawn = sorted(len(draw(generator)[0]) for _ in range(WINDOW * rows))
    stream = batches(corpus, rows, seed=3)
    lengths = [stream.part(WINDOW + number, ALONE)[0].lengths.tolist() for number in range(WINDOW)]
    assert [*itertools.chain(*sorted(map(sorted, lengths)))] == drawn
    assert sorted(lengths) != lengths


def test_processes_share_a_batch() -> None:
    stream = batches(endless(), rows=5)
    whole, _ = stream.part(7, ALONE)
    parts = [stream.part(7, world(rank, 3)) for rank in range(3)]
    assert torch.equal(torch.cat([batch.lengths for batch, _ in parts]), whole.lengths)
    assert sum(share.targets for _, share in parts) == whole.target_count
    assert {share.all_targets for _, share in parts} == {whole.target_count}
    # A process without an example reads the first one, none of whose targets counts.
    batch, share = stream.part(7, world(5, 6))
    assert (len(batch.lengths), share.targets) == (1, 0)


def world(rank: int, size: int) -> World:
    return World(rank=rank, size=size)


def test_a_batch_with_too_many_steps_is_an_error() -> None:
    stream = batches(endless(), tokens=8)
    with pytest.raises(DataError, match=r"a batch of 4 drawn examples has \d+ steps, and may have 8") as caught:
        stream.part(0, ALONE)
    assert caught.value.hint == "Lower training.batch_size, or raise training.batch_tokens."


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (("ab", 7), "a drawn example: the value must be class indices"),
        (("ab", np.array([1])), "a drawn example has 2 steps, and its target has 1"),
        (("", np.zeros(0, dtype=np.int64)), "a drawn example: an input is empty"),
        (("aß", np.array([1, 1])), "a drawn example: "),
    ],
)
def test_a_wrong_example_is_an_error(monkeypatch: pytest.MonkeyPatch, drawn: Any, message: str) -> None:
    monkeypatch.setattr(Made, "_draw", lambda self, generator: drawn)
    with pytest.raises(DataError, match=message):
        batches(endless()).part(0, ALONE)


def test_passes_over_a_stream_are_an_error(labelled_experiment: Any, tmp_path: Any) -> None:
    experiment: Experiment = labelled_experiment(corpus={"use": "made", "endless": True}, training={"epochs": 2})
    with pytest.raises(DataError, match=r"training\.epochs has no effect, since made draws"):
        train(experiment, tmp_path)


def test_examples_without_a_split_are_an_error(
    labelled_experiment: Any, labelled: Registry, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Made, "training_stream", lambda self: self._draw)
    with pytest.raises(PluginError, match="yielded an example with the split None; with a training stream"):
        train(labelled_experiment(), tmp_path)
