"""Batches of examples: each example once per epoch, bounded, and a function of seed and number."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqforge.data.example_file import ExampleFile, RaggedFile
from seqforge.data.padded_batches import BucketedBatches, count_targets, evaluation_examples, read_batch
from seqforge.distribution.world import ALONE
from seqforge.errors import DataError
from seqforge.kinds import IGNORED_TARGET, Classes, ExampleSpec, Text

EXAMPLE_SPEC = ExampleSpec(Text(), "sequence", Classes(("a", "b")), "sequence")
_SETTINGS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
_NUMBERS = itertools.count()

LENGTHS = st.lists(st.tuples(st.integers(1, 30), st.lists(st.integers(0, 30), min_size=1, max_size=3)), min_size=1)


@pytest.fixture
def made(tmp_path: Path) -> Callable[[Any], ExampleFile]:
    """Make examples from the lengths of their inputs and targets; every step of example n has the value n."""

    def ragged(path: Path, rows: list[Any]) -> RaggedFile:
        whole = np.concatenate([np.asarray(row, dtype=np.uint16) for row in rows])
        path.write_bytes(whole.tobytes())
        return RaggedFile(
            path=path, dtype=np.dtype(np.uint16), width=0, stops=np.cumsum([len(row) for row in rows]).astype(np.int64)
        )

    def make(lengths: list[tuple[int, list[int]]]) -> ExampleFile:
        number = next(_NUMBERS)
        inputs = ragged(tmp_path / f"{number}.inputs", [[index] * length for index, (length, _) in enumerate(lengths)])
        targets = [[index] * length for index, (_, several) in enumerate(lengths) for length in several]
        stops = np.cumsum([len(several) for _, several in lengths]).astype(np.int64)
        names = [str(index) for index in range(len(lengths))]
        splits: list[Any] = [None] * len(lengths)
        target_file = ragged(tmp_path / f"{number}.targets", targets)
        return ExampleFile(
            folder=tmp_path,
            spec=EXAMPLE_SPEC,
            names=names,
            splits=splits,
            inputs=inputs,
            targets=target_file,
            target_stops=stops,
            digest="",
        )

    return make


@_SETTINGS
@given(lengths=LENGTHS, rows=st.integers(1, 9), tokens=st.integers(61, 200), seed=st.integers(0, 9), data=st.data())
def test_every_example_is_read_once_per_epoch(
    made: Any, lengths: Any, rows: int, tokens: int, seed: int, data: Any
) -> None:
    file = made(lengths)
    chosen = np.array(sorted(data.draw(st.sets(st.integers(0, len(lengths) - 1), min_size=1))))
    batches = BucketedBatches(file, chosen, rows, tokens, seed, shuffle=True, end=2)
    for epoch in range(3):
        assert sorted(np.concatenate(batches.order(epoch)).tolist()) == chosen.tolist()
    first = count = batches.batches_per_epoch
    seen = [batches.part(first + number, ALONE)[0] for number in range(count)]
    found = [row for batch in seen for row in batch.inputs[0].tolist()]
    assert sorted(found) == chosen.tolist()


@_SETTINGS
@given(lengths=LENGTHS, rows=st.integers(1, 9), tokens=st.integers(61, 200))
def test_no_batch_exceeds_the_limits_of_rows_and_tokens(made: Any, lengths: Any, rows: int, tokens: int) -> None:
    file = made(lengths)
    batches = BucketedBatches(file, np.arange(len(lengths)), rows, tokens, 0, shuffle=True, end=2)
    for number in range(3 * batches.batches_per_epoch):
        batch = batches.part(number, ALONE)[0]
        assert 1 <= batch.inputs.shape[1] <= rows
        assert (len(batch.inputs) + len(batch.targets)) * batch.inputs.shape[1] <= tokens


def test_a_bucket_has_examples_of_similar_length(made: Any) -> None:
    # The lengths of input, target and end symbol are 13, 10, 12, 12 and 30. Those in the first bucket differ by 1.2 at
    # most, and those in the second by more, since they fill no batch.
    file = made([(6, [6]), (5, [4]), (2, [9]), (11, [0]), (20, [9])])
    batches = BucketedBatches(file, np.arange(5), 2, 100, 0, shuffle=False, end=2)
    assert [batch.tolist() for batch in batches.order(0)] == [[1, 2], [3], [0, 4]]


@_SETTINGS
@given(lengths=LENGTHS, number=st.integers(0, 200), seed=st.integers(0, 9))
def test_a_batch_is_a_function_of_seed_and_number(made: Any, lengths: Any, number: int, seed: int) -> None:
    file = made(lengths)

    def batches() -> BucketedBatches:
        return BucketedBatches(file, np.arange(len(lengths)), 4, 200, seed, shuffle=True, end=2)

    walked = batches()
    for before in range(number % 7):
        walked.part(before, ALONE)
    one, two = walked.part(number, ALONE)[0], batches().part(number, ALONE)[0]
    assert one.inputs.equal(two.inputs)
    assert one.targets.equal(two.targets)


def test_another_seed_gives_another_order(made: Any) -> None:
    file = made([(3, [1])] * 40)
    orders = [BucketedBatches(file, np.arange(40), 8, 100, seed, shuffle=True, end=None).order(0) for seed in (1, 2)]
    assert np.concatenate(orders[0]).tolist() != np.concatenate(orders[1]).tolist()


def test_rows_are_padded_after_their_last_step(made: Any) -> None:
    file = made([(3, [2]), (1, [0])])
    (_, batch), *_ = evaluation_examples(file, np.array([0, 1]), 8, 100, end=2)
    rows = {int(batch.inputs[0, row]): row for row in range(2)}
    long, short = rows[0], rows[1]
    assert batch.lengths.tolist()[long] == 3
    assert batch.inputs[:, short].tolist() == [1, 0, 0]
    assert batch.targets[:, long].tolist() == [0, 0, 2]
    assert batch.targets[:, short].tolist() == [2, IGNORED_TARGET, IGNORED_TARGET]
    assert batch.target_count == 4


def test_an_evaluation_reads_the_first_of_several_targets(made: Any) -> None:
    file = made([(2, [3, 1]), (1, [2, 2, 4]), (1, [1])])
    ((_, batch),) = evaluation_examples(file, np.arange(3), 8, 100, end=None)
    assert sorted((batch.targets != IGNORED_TARGET).sum(0).tolist()) == [1, 2, 3]


@_SETTINGS
@given(lengths=LENGTHS, end=st.sampled_from([None, 2]), epoch=st.integers(0, 2))
def test_targets_are_counted_without_reading_them(made: Any, lengths: Any, end: int | None, epoch: int) -> None:
    file, examples = made(lengths), np.arange(len(lengths))
    counted = count_targets(file, examples, epoch, end)
    assert counted == read_batch(file, examples, epoch, end).target_count
    sizes = [several[epoch % len(several)] for _, several in lengths]
    # Without an end symbol, an empty target counts as one.
    assert counted == sum(max(size, 1) if end is None else size + 1 for size in sizes)


def test_alternative_targets_alternate_from_epoch_to_epoch(made: Any) -> None:
    file = made([(3, [1, 2, 3])])
    batches = BucketedBatches(file, np.array([0]), 4, 100, 0, shuffle=True, end=None)
    assert [len(batches.part(epoch, ALONE)[0].targets) for epoch in range(4)] == [1, 2, 3, 1]


@_SETTINGS
@given(lengths=LENGTHS, limit=st.integers(1, 400))
def test_an_evaluation_reads_each_example_at_most_once_within_its_limit(made: Any, lengths: Any, limit: int) -> None:
    file = made(lengths)
    everything = np.arange(len(lengths))
    whole = [index for part, _ in evaluation_examples(file, everything, 5, 200, None) for index in part.tolist()]
    assert sorted(whole) == everything.tolist()
    part = [index for some, _ in evaluation_examples(file, everything, 5, 200, None, limit) for index in some.tolist()]
    assert len(set(part)) == len(part)
    steps = sum(lengths[index][0] + max(lengths[index][1]) for index in part)
    assert steps <= limit or len(part) == 1


def test_an_example_longer_than_a_batch_is_an_error_that_names_it(made: Any) -> None:
    file = made([(3, [1]), (50, [60])])
    with pytest.raises(DataError, match="the example '1' has 111 steps, and a batch may have 110"):
        BucketedBatches(file, np.array([0]), 4, 110, 0, shuffle=True, end=None)
    BucketedBatches(file, np.array([0]), 4, 111, 0, shuffle=True, end=None)


def test_a_split_without_examples_is_an_error(made: Any) -> None:
    with pytest.raises(DataError, match="no example"):
        BucketedBatches(made([(3, [1])]), np.array([], dtype=np.int64), 4, 110, 0, shuffle=True, end=None)
