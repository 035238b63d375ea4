"""A padded batch has the same loss and gradients as its examples one by one, for every cell."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seqforge_essentials.cells.gru import GRU
from torch import Tensor

from seqforge.data.padded_batches import PaddedBatch
from seqforge.evaluation.examples import example_loss
from seqforge.kinds import IGNORED_TARGET, Classes, ExampleSpec, Numbers, Text
from seqforge.model.build import build_model
from seqforge.model.choose_backend import choose_backends
from seqforge.model.measure_backends import BatchShape
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack, reverse_rows

CELLS: dict[str, list[dict[str, Any]]] = {
    "rnn": [{"use": "essentials/rnn", "hidden_size": 5, "repeat": 2}],
    "gru": [{"use": "essentials/gru", "hidden_size": 5}],
    "lstm": [{"use": "essentials/lstm", "hidden_size": 5, "peepholes": True}],
    "onednn lstm": [{"use": "lstm", "hidden_size": 5, "repeat": 2}],
    "native lstm": [{"use": "essentials/lstm", "hidden_size": 8, "repeat": 2}],
    "min-gru": [{"use": "parallel-cells/min-gru", "hidden_size": 5}],
}
"""Cells, each after its backend if that is not eager."""
SYMBOLS = 4
NAMES = Classes(("x", "y", "z"))

SPECS: dict[str, tuple[ExampleSpec, dict[str, Any], str]] = {
    "once": (ExampleSpec(Text(), "sequence", NAMES, "once"), {"topology": "many-to-one"}, "cross-entropy"),
    "vectors": (ExampleSpec(Numbers(2), "sequence", NAMES, "once"), {"topology": "many-to-one"}, "cross-entropy"),
    "numbers": (ExampleSpec(Text(), "sequence", Numbers(3), "once"), {"topology": "many-to-one"}, "mean-squared-error"),
    "every step": (ExampleSpec(Text(), "sequence", NAMES, "every step"), {"topology": "synced"}, "cross-entropy"),
    "numbers on every step": (
        ExampleSpec(Text(), "sequence", Numbers(3), "every step"),
        {"topology": "synced"},
        "mean-squared-error",
    ),
    "sequence": (ExampleSpec(Text(), "sequence", NAMES, "sequence"), {"topology": "many-to-many"}, "cross-entropy"),
    "additive attention": (
        ExampleSpec(Text(), "sequence", NAMES, "sequence"),
        {"topology": "many-to-many", "attention": {"use": "additive"}},
        "cross-entropy",
    ),
    "multiplicative attention": (
        ExampleSpec(Text(), "sequence", NAMES, "sequence"),
        {"topology": "many-to-many", "attention": {"use": "multiplicative"}, "embedding_size": 3},
        "cross-entropy",
    ),
    "aligned": (ExampleSpec(Text(), "sequence", NAMES, "sequence"), {"topology": "synced"}, "ctc"),
}

# What follows the encoder does not depend on its cells, which read vectors or symbols.
PAIRS = [("rnn", name) for name in SPECS] + [
    (cells, name) for cells in CELLS if cells != "rnn" for name in ("vectors", "every step", "additive attention")
]


def model_and_loss(
    labelled_experiment: Any, name: str, cells: list[dict[str, Any]], bidirectional: bool, backend: str = "eager"
) -> tuple[SequenceModel, ExampleSpec, Any]:
    spec, table, loss = SPECS[name]
    parts = {Text: "text", Numbers: "numbers", Classes: "classes"}
    corpus = {
        "use": "made",
        "inputs": parts[type(spec.input)],
        "targets": parts[type(spec.target)],
        "output_mode": spec.output_mode,
    }
    experiment = labelled_experiment(
        corpus=corpus, model={**table, "cells": cells, "bidirectional": bidirectional}, loss={"use": loss}
    )
    model = build_model(experiment, SYMBOLS, spec).eval()
    choose_backends(model, experiment.registry, BatchShape(steps=1, rows=1), backend=backend)
    return model, spec, experiment.loss.build()


def made_batch(spec: ExampleSpec, lengths: list[int], target_lengths: list[int], seed: int, loss: Any) -> PaddedBatch:
    generator = torch.Generator().manual_seed(seed)
    rows, time = len(lengths), max(lengths)
    inputs = torch.zeros((time, rows), dtype=torch.int64)
    if isinstance(spec.input, Numbers):
        inputs = torch.zeros((time, rows, 2))
    steps = {"once": [1] * rows, "every step": lengths}.get(spec.output_mode, [count + 1 for count in target_lengths])
    if loss.aligns:
        steps = [length // 2 for length in lengths]
    numbers = isinstance(spec.target, Numbers)
    shape = (max(steps), rows, 3) if numbers else (max(steps), rows)
    targets = torch.full(shape, torch.nan) if numbers else torch.full(shape, IGNORED_TARGET)
    for row, (length, count) in enumerate(zip(lengths, steps, strict=True)):
        if isinstance(spec.input, Numbers):
            inputs[:length, row] = torch.randn(length, 2, generator=generator)
        else:
            inputs[:length, row] = torch.randint(SYMBOLS, (length,), generator=generator)
        targets[:count, row] = (
            torch.randn(count, 3, generator=generator) if numbers else torch.randint(3, (count,), generator=generator)
        )
    return PaddedBatch(inputs, torch.tensor(lengths), targets[0] if spec.output_mode == "once" else targets)


def row_of(batch: PaddedBatch, spec: ExampleSpec, row: int, target_length: int) -> PaddedBatch:
    length = int(batch.lengths[row])
    place = slice(row, row + 1)
    targets = batch.targets[place] if spec.output_mode == "once" else batch.targets[:target_length, place]
    return PaddedBatch(batch.inputs[:length, place], batch.lengths[place], targets)


def gradients(model: SequenceModel, value: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, list(model.parameters()), allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["unidirectional", "bidirectional"])
@pytest.mark.parametrize(("cells", "name"), PAIRS)
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    lengths=st.lists(st.integers(1, 7), min_size=2, max_size=4), seed=st.integers(0, 2**16), padding=st.integers(0, 3)
)
def test_a_padded_batch_has_the_loss_and_gradients_of_its_examples_alone(
    labelled_experiment: Any,
    cells: str,
    name: str,
    bidirectional: bool,
    lengths: list[int],
    seed: int,
    padding: int,
) -> None:
    backend = cells.partition(" ")[0] if " " in cells else "eager"
    model, spec, loss = model_and_loss(labelled_experiment, name, CELLS[cells], bidirectional, backend)
    target_lengths = [(length * 3 + seed) % 5 for length in lengths]
    batch = made_batch(spec, lengths, target_lengths, seed, loss)
    # More padding, with any content, changes nothing either.
    junk = torch.full((padding, *batch.inputs.shape[1:]), 1, dtype=batch.inputs.dtype)
    padded = PaddedBatch(torch.cat([batch.inputs, junk]), batch.lengths, batch.targets)
    if spec.output_mode == "every step":
        value = torch.nan if batch.targets.is_floating_point() else IGNORED_TARGET
        more = torch.full((padding, *batch.targets.shape[1:]), value, dtype=batch.targets.dtype)
        padded = PaddedBatch(padded.inputs, batch.lengths, torch.cat([batch.targets, more]))

    together = example_loss(model, spec, model.encode(padded.inputs, padded.lengths), padded, loss)
    total = together * padded.target_count
    alone = torch.zeros(())
    for row in range(len(lengths)):
        one = row_of(batch, spec, row, 0 if spec.output_mode == "once" else int(
            (~batch.targets[:, row].isnan()).all(-1).sum() if batch.targets.is_floating_point()
            else (batch.targets[:, row] != IGNORED_TARGET).sum()
        ))  # fmt: skip
        encoded = model.encode(one.inputs, one.lengths)
        alone = alone + example_loss(model, spec, encoded, one, loss) * one.target_count
    torch.testing.assert_close(total, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients(model, total), gradients(model, alone), rtol=1e-3, atol=2e-5)


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_rows_are_reversed_within_their_own_lengths(lengths: list[int], seed: int) -> None:
    steps = torch.randn(max(lengths), len(lengths), 2, generator=torch.Generator().manual_seed(seed))
    backwards = reverse_rows(steps, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        assert backwards[:length, row].equal(steps[:length, row].flip(0))
        assert backwards[length:, row].equal(steps[length:, row])
    assert reverse_rows(backwards, torch.tensor(lengths)).equal(steps)


def test_only_a_bidirectional_model_sees_later_steps(labelled_experiment: Any) -> None:
    lengths = torch.tensor([4])
    inputs = torch.tensor([[0], [1], [2], [3]])
    other = torch.tensor([[0], [1], [2], [0]])
    for bidirectional in (False, True):
        model, _, _ = model_and_loss(labelled_experiment, "every step", CELLS["gru"], bidirectional)
        one, two = (model.predict(model.encode(steps, lengths).outputs) for steps in (inputs, other))
        assert one[0].equal(two[0]) is not bidirectional


def test_each_cell_of_both_directions_starts_from_its_own_learned_state() -> None:
    torch.manual_seed(0)
    stack = RecurrentStack([GRU(3, 4), GRU(8, 4)], backward_cells=[GRU(3, 4), GRU(8, 4)])
    inputs, lengths = torch.randn(5, 2, 3), torch.tensor([5, 3])
    before = stack.encode(inputs, lengths).outputs
    stack.learn_initial_states()
    assert torch.equal(stack.encode(inputs, lengths).outputs, before)
    assert stack.learned is not None
    # The states of the first layer change both directions of the second one, whose own states change one each.
    for direction, unused in ((slice(4), 3), (slice(4, 8), 1)):
        total = stack.encode(inputs, lengths).outputs[:, :, direction].sum()
        gradients = torch.autograd.grad(total, list(stack.learned.parameters()), materialize_grads=True)
        assert [bool(gradient.any()) for gradient in gradients] == [number != unused for number in range(4)]


def test_scheduled_sampling_with_nothing_sampled_is_teacher_forcing(labelled_experiment: Any) -> None:
    model, spec, loss = model_and_loss(labelled_experiment, "additive attention", CELLS["lstm"], False)
    batch = made_batch(spec, [3, 5], [2, 4], 1, loss)
    encoded = model.encode(batch.inputs, batch.lengths)
    known = example_loss(model, spec, encoded, batch, loss)
    torch.testing.assert_close(example_loss(model, spec, encoded, batch, loss, sampling_probability=1e-12), known)
    torch.manual_seed(0)
    assert not example_loss(model, spec, encoded, batch, loss, sampling_probability=1.0).isclose(known)
