"""Batches of a stream: the tokens of each step, and their targets."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.vocabularies import Characters

from seqforge.data.batches import EVALUATION_ROW, Batch, TrainingBatches, evaluation_batches
from seqforge.data.splits import Spans, mix, split
from seqforge.data.token_file import TokenFile
from seqforge.errors import DataError
from seqforge.kinds import IGNORED_TARGET

Encode = Callable[..., TokenFile]

SIZES = [3, 40, 1, 25, 90, 17, 60]


@pytest.fixture(scope="session")
def token_file(encoded: Encode) -> TokenFile:
    """Return a corpus in which every token is equal to its position."""
    symbols = iter(range(0x4000, 0x5000))
    documents = {f"document {size}": "".join(chr(next(symbols)) for _ in range(size)) for size in SIZES}
    token_file = encoded(documents, Characters())
    assert token_file.map().read().tolist() == list(range(sum(SIZES)))
    return token_file


@pytest.fixture(scope="session")
def spans(token_file: TokenFile) -> Spans:
    return split(token_file, "position", 0.0, 0.0)["training"]


MakeBatches = Callable[..., TrainingBatches]


@pytest.fixture(scope="session")
def make_batches(token_file: TokenFile, spans: Spans) -> MakeBatches:
    def make(rows: int = 3, sequence_length: int = 5, seed: int = 0, shuffle: bool = True) -> TrainingBatches:
        return TrainingBatches(
            token_file, mix(spans, token_file, {}), rows, sequence_length, seed, shuffle, with_starts=True
        )

    return make


def equal(one: Batch, other: Batch) -> bool:
    assert one.starts is not None
    assert other.starts is not None
    pairs = [(one.inputs, other.inputs), (one.targets, other.targets), (one.starts, other.starts)]
    return all(torch.equal(*pair) for pair in pairs) and one.continues == other.continues


def epoch(batches: TrainingBatches, number: int) -> torch.Tensor:
    """Return the rows of an epoch, `[batch, time + 1]`, each with its last target at the end."""
    steps = range(number * batches.steps_per_epoch, (number + 1) * batches.steps_per_epoch)
    read = [batches.batch(step) for step in steps]
    return torch.cat([*(batch.inputs for batch in read), read[-1].targets[-1:]]).T


_shapes = st.tuples(st.integers(1, 6), st.integers(1, 30))
_seeds = st.integers(0, 2**63 - 1)


@given(shape=_shapes, seed=_seeds, steps=st.lists(st.integers(0, 200), min_size=1, max_size=6), shuffle=st.booleans())
@settings(deadline=None)
def test_a_batch_depends_only_on_the_seed_and_the_step(
    make_batches: MakeBatches, shape: tuple[int, int], seed: int, steps: list[int], shuffle: bool
):
    batches = make_batches(*shape, seed, shuffle)
    in_this_order = {step: batches.batch(step) for step in steps}
    for step in steps[::-1]:
        assert equal(make_batches(*shape, seed, shuffle).batch(step), in_this_order[step])


@given(shape=_shapes, seed=_seeds, ahead=st.integers(1, 40), shuffle=st.booleans())
@settings(deadline=None)
def test_the_read_ahead_does_not_change_the_batches(
    make_batches: MakeBatches, shape: tuple[int, int], seed: int, ahead: int, shuffle: bool
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqforge.data.batches.READ_AHEAD", ahead)
        few = make_batches(*shape, seed, shuffle)
    many = make_batches(*shape, seed, shuffle)
    for step in range(2 * many.steps_per_epoch + 1):
        assert equal(few.batch(step), many.batch(step))


@given(shape=_shapes, seed=_seeds, step=st.integers(0, 200))
@settings(deadline=None)
def test_targets_are_the_inputs_one_step_later(make_batches: MakeBatches, shape: tuple[int, int], seed: int, step: int):
    batches = make_batches(*shape, seed)
    batch, following = batches.batch(step), batches.batch(step + 1)
    rows, sequence_length = shape
    assert batch.inputs.shape == batch.targets.shape == (sequence_length, rows)
    assert batch.inputs.dtype == batch.targets.dtype == torch.int64
    assert torch.equal(batch.inputs[1:], batch.targets[:-1])
    # A batch continues where the one before it ended, except at the start of an epoch.
    assert following.continues == ((step + 1) % batches.steps_per_epoch != 0)
    if following.continues:
        assert torch.equal(following.inputs[0], batch.targets[-1])


@given(shape=_shapes, seed=_seeds, number=st.integers(0, 3), shuffle=st.booleans())
@settings(deadline=None)
def test_an_epoch_reads_every_token_once_except_a_remainder(
    make_batches: MakeBatches, shape: tuple[int, int], seed: int, number: int, shuffle: bool
):
    batches = make_batches(*shape, seed, shuffle)
    rows, sequence_length = shape
    read = epoch(batches, number)[:, :-1].flatten().tolist()
    assert len(read) == len(set(read)) == rows * sequence_length * batches.steps_per_epoch
    # The remainder is less than one batch in each row, and less than one token per row at the end.
    assert sum(SIZES) - len(read) < rows * (sequence_length + 1) + 1


@given(shape=_shapes, seed=_seeds, number=st.integers(0, 3))
@settings(deadline=None)
def test_shuffled_documents_are_read_whole(make_batches: MakeBatches, shape: tuple[int, int], seed: int, number: int):
    ends = np.cumsum(SIZES) - 1
    starts = ends + 1 - SIZES
    for row in epoch(make_batches(*shape, seed), number).tolist():
        for symbol, following in itertools.pairwise(row):
            assert following == symbol + 1 or (symbol in ends and following in starts)


@given(shape=_shapes, seed=_seeds, step=st.integers(0, 200))
@settings(deadline=None)
def test_a_batch_states_where_documents_start(make_batches: MakeBatches, shape: tuple[int, int], seed: int, step: int):
    batch = make_batches(*shape, seed).batch(step)
    first = torch.as_tensor(np.cumsum(SIZES) - SIZES)
    assert batch.starts is not None
    assert torch.equal(batch.starts, torch.isin(batch.inputs, first))


@given(rows=st.integers(1, 3), sequence_length=st.integers(1, 60))
@settings(deadline=None)
def test_an_evaluation_states_where_documents_start(
    token_file: TokenFile, spans: Spans, rows: int, sequence_length: int
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqforge.data.batches.EVALUATION_ROW", 50)
        batches = list(evaluation_batches(token_file, spans, rows, sequence_length, with_starts=True))
    first = torch.as_tensor(np.cumsum(SIZES) - SIZES)
    for batch in batches:
        assert batch.starts is not None
        # Padding is the symbol 0, which starts no document.
        assert torch.equal(batch.starts, torch.isin(batch.inputs, first) & (batch.targets != IGNORED_TARGET))


@given(shape=_shapes, seed=_seeds, step=st.integers(0, 200))
@settings(deadline=None)
def test_a_loss_that_writes_into_a_batch_changes_no_other_tensor(
    make_batches: MakeBatches, shape: tuple[int, int], seed: int, step: int
):
    written, untouched = make_batches(*shape, seed), make_batches(*shape, seed)
    batch = written.batch(step)
    batch.targets.fill_(-1)
    assert torch.equal(batch.inputs, untouched.batch(step).inputs)
    batch.inputs.fill_(-1)
    for other in (step, step + 1):
        assert equal(written.batch(other), untouched.batch(other))


def test_without_shuffling_the_rows_are_the_text_in_order(make_batches: MakeBatches):
    batches = make_batches(rows=4, sequence_length=6, shuffle=False)
    # 235 of the 236 tokens have a target: 58 in each row, which make nine batches of six.
    assert (batches.row_length, batches.steps_per_epoch) == (58, 9)
    for number in (0, 1):
        rows = epoch(batches, number)
        assert [row.tolist() for row in rows] == [list(range(start, start + 55)) for start in (0, 58, 116, 174)]


def test_every_epoch_and_every_seed_has_its_own_order(make_batches: MakeBatches):
    orders = {(seed, number): epoch(make_batches(1, 1, seed), number) for seed in (0, 1, 2) for number in (0, 1, 2)}
    assert len({tuple(order.flatten().tolist()) for order in orders.values()}) == 9
    assert all(torch.equal(order, epoch(make_batches(1, 1, seed), number)) for (seed, number), order in orders.items())


def test_the_order_of_a_seed_never_changes(make_batches: MakeBatches):
    # Otherwise, a run that is resumed with a later version of seqforge would read other batches.
    starts = [int(start) for start in np.cumsum(SIZES) - SIZES]
    order = [starts.index(symbol) for symbol in epoch(make_batches(1, 1, seed=1337), 2)[0].tolist() if symbol in starts]
    assert order == [5, 6, 3, 1, 4, 0, 2]


@pytest.mark.parametrize(
    ("rows", "sequence_length", "fits"),
    [(5, 47, True), (5, 48, False), (1, 235, True), (1, 236, False), (235, 1, True), (236, 1, False)],
)
def test_a_split_shorter_than_one_batch_is_an_error(
    make_batches: MakeBatches, rows: int, sequence_length: int, fits: bool
):
    if fits:
        assert make_batches(rows, sequence_length).steps_per_epoch == 1
        return
    with pytest.raises(DataError) as caught:
        make_batches(rows, sequence_length)
    assert str(caught.value) == (
        f"the training split has 236 tokens, too few for one batch of {rows:,} sequences × {sequence_length} steps, "
        f"which needs {rows * sequence_length + 1:,}\n"
        "Lower training.batch_size, training.sequence_length or the held-out fractions in [data], or use more text."
    )


@pytest.mark.parametrize("length", [0, 1])
def test_a_split_of_at_most_one_token_is_an_error(token_file: TokenFile, length: int):
    nothing = Spans(np.zeros(length, dtype=np.int64), np.ones(length, dtype=np.int64))
    with pytest.raises(DataError, match=f"the training split has {length} tokens, too few"):
        TrainingBatches(token_file, mix(nothing, token_file, {}), 1, 1, 0, True, own_rows=map(int, ["not read"]))


@given(rows=st.integers(1, 4), parts=st.integers(1, 4), continues=st.booleans())
@settings(deadline=None)
def test_a_batch_is_divided_by_its_rows(rows: int, parts: int, continues: bool):
    inputs = torch.arange(3 * rows * parts).reshape(3, rows * parts)
    divided = Batch(inputs, inputs + 1, continues, inputs % 2 == 0).divide(parts)
    assert len(divided) == parts
    assert all(part.inputs.shape == (3, rows) and part.continues == continues for part in divided)
    assert torch.equal(torch.cat([part.inputs for part in divided], dim=1), inputs)
    assert torch.equal(torch.cat([part.targets for part in divided], dim=1), inputs + 1)
    assert all(part.starts is not None and torch.equal(part.starts, part.inputs % 2 == 0) for part in divided)


LONG = 5 * EVALUATION_ROW


@pytest.fixture(scope="session")
def long_file(encoded: Encode) -> TokenFile:
    token_file = encoded({"long": "".join(map(chr, range(0x10000, 0x10000 + LONG)))}, Characters())
    assert token_file.map().read().tolist() == list(range(LONG))
    return token_file


def single_span(start: int, stop: int) -> Spans:
    return Spans(np.array([start], dtype=np.int64), np.array([stop], dtype=np.int64))


_lengths = st.integers(2, 40) | st.integers(2, LONG)


@given(
    length=_lengths,
    rows=st.integers(1, 8),
    sequence_length=st.sampled_from([1, 3, 100, 1999, 2000, 10**6]),
    limit=st.none() | st.integers(2, LONG + 5),
    start=st.integers(0, LONG - 2),
)
@settings(deadline=None, max_examples=60)
def test_an_evaluation_predicts_no_symbol_twice_and_without_a_limit_all_but_the_first(
    long_file: TokenFile, length: int, rows: int, sequence_length: int, limit: int | None, start: int
):
    if length / max(rows, 1) / sequence_length > 500:
        sequence_length = 100
    stop = min(start + length, LONG)
    batches = list(evaluation_batches(long_file, single_span(start, stop), rows, sequence_length, limit))
    counted = [batch.targets != IGNORED_TARGET for batch in batches]
    targets = torch.cat([batch.targets[real] for batch, real in zip(batches, counted, strict=True)])
    if limit is None or limit >= stop - start - 1:
        assert sorted(targets.tolist()) == list(range(start + 1, stop))
    else:
        assert len(set(targets.tolist())) == len(targets) == limit
        assert targets.min() > start
        assert targets.max() < stop
    # Every token is equal to its position, so that each target is its input plus one.
    inputs = torch.cat([batch.inputs[real] for batch, real in zip(batches, counted, strict=True)])
    assert torch.equal(inputs + 1, targets)
    for batch in batches:
        assert batch.inputs.shape == batch.targets.shape
        assert batch.inputs.shape[0] <= sequence_length
        assert batch.inputs.min() >= 0
    assert [batch.continues for batch in batches] == [number > 0 for number in range(len(batches))]


@given(length=st.integers(LONG - 6, LONG), rows=st.integers(1, 8), sequence_length=st.integers(100, 3000))
@settings(deadline=None, max_examples=20)
def test_the_rows_of_an_evaluation_continue_from_batch_to_batch(
    long_file: TokenFile, length: int, rows: int, sequence_length: int
):
    batches = list(evaluation_batches(long_file, single_span(0, length), rows, sequence_length))
    columns = batches[0].inputs.shape[1]
    assert columns == min(rows, (length - 1) // EVALUATION_ROW)
    row_length = math.ceil((length - 1) / columns)
    assert batches[0].inputs[0].tolist() == [row * row_length for row in range(columns)]
    for batch, following in itertools.pairwise(batches):
        ended = batch.targets[-1]
        real = ended != IGNORED_TARGET
        assert torch.equal(following.inputs[0][real], ended[real])
    # The padding of the last row is a valid symbol, whose target is ignored.
    assert batches[-1].inputs.min() >= 0
    assert int((batches[-1].targets == IGNORED_TARGET).sum()) == row_length * columns - (length - 1)


def test_the_rows_of_an_evaluation_with_a_limit_represent_the_whole_split(long_file: TokenFile):
    batches = list(evaluation_batches(long_file, single_span(0, LONG), 4, 1000, limit=2 * EVALUATION_ROW))
    assert batches[0].inputs[0].tolist() == [0, (LONG - 1) // 2]
    assert batches[-1].targets[-1].tolist() == [EVALUATION_ROW, (LONG - 1) // 2 + EVALUATION_ROW]


@pytest.mark.parametrize("length", [0, 1])
def test_a_split_without_a_target_has_no_evaluation_batch(token_file: TokenFile, length: int):
    spans: Any = single_span(0, length) if length else Spans(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert list(evaluation_batches(token_file, spans, 4, 10)) == []
