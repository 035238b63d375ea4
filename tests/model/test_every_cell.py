"""Every cell on every backend: resets where documents start, learned initial states, and recomputed activations."""

import os
import sys
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from fork_server import run_to_the_end
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks_of_cells import table_of
from torch import Tensor

from seqforge import Experiment
from seqforge.kinds import BackendContext, HiddenState
from seqforge.model.build import build_model
from seqforge.model.choose_backend import leaf_cells
from seqforge.model.install_backend import install_backend, load_backend
from seqforge.model.measure_backends import EAGER
from seqforge.model.recomputation import States, add_recomputed
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack
from seqforge.registry.registry import Registry

REGISTRY = Registry.installed()
CELLS = [entry.qualified_name for entry in REGISTRY.registrations("cell") if not entry.preset_of]
SYMBOLS = 7


@cache
def model_of(cell: str, backend: str, dtype: torch.dtype) -> SequenceModel | None:
    """Return two layers of a cell with learned initial states, or None if the backend compiles for it."""
    experiment = Experiment.from_dict(
        {
            "corpus": {"use": "inline", "text": "hello"},
            "data": {"reset_state": "document"},
            "model": {
                "embedding_size": 8,
                "cells": [{**table_of(cell), "repeat": 2}],
                "initial_state": "learned",
            },
        },
        registry=REGISTRY,
    )
    # The random numbers of a test must not depend on whether it is the first one with this model.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        model = build_model(experiment, SYMBOLS).to(dtype).eval()
        for parameter in model.stack.learned.parameters() if model.stack.learned else ():
            parameter += 0.1 * torch.randn(parameter.shape, dtype=dtype)
    context = BackendContext(torch.device("cpu"), dtype)
    for _, leaf, _ in leaf_cells(model):
        chosen = load_backend(REGISTRY, backend)
        if chosen.refusal(leaf, context) is not None or chosen.preparation_seconds(leaf, context):
            return None
        install_backend(chosen, leaf, context)
    return model


def model_or_skip(cell: str, backend: str) -> SequenceModel:
    """Return the model of a cell, or skip the test if there is none. `native` does not compute in float64."""
    model = model_of(cell, backend, torch.float64 if backend == EAGER else torch.float32)
    return model or pytest.skip(f"{backend} does not run {cell} at once")


def are_close(one: Tensor, other: Tensor) -> bool:
    """Compare two tensors by the norm of their difference, to 1e-9 in float64 and to 1e-3 in float32."""
    bound = 1e-9 if one.dtype == torch.float64 else 1e-3
    return bool((one - other).norm() <= bound * other.norm() + 1e-2 * bound)


def gradients(model: SequenceModel, outputs: Tensor) -> dict[str, Tensor]:
    """Return the gradient of a sum in which every output has another weight."""
    parameters = dict(model.named_parameters())
    total = (outputs * torch.linspace(0.5, 1.5, outputs.numel(), dtype=outputs.dtype).view_as(outputs)).sum()
    return dict(zip(parameters, torch.autograd.grad(total, list(parameters.values())), strict=True))


every_cell = pytest.mark.parametrize("cell", CELLS)
every_backend = pytest.mark.parametrize("backend", [EAGER, "native"])


@every_backend
@every_cell
@given(
    cuts=st.lists(st.lists(st.integers(1, 11), max_size=4, unique=True).map(sorted), min_size=1, max_size=3),
    seed=st.integers(0, 999),
)
@settings(deadline=None, max_examples=2)
def test_documents_in_a_row_have_the_outputs_of_each_alone(
    cell: str, backend: str, cuts: list[list[int]], seed: int
) -> None:
    model = model_or_skip(cell, backend)
    tokens = torch.randint(SYMBOLS, (12, len(cuts)), generator=torch.Generator().manual_seed(seed))
    starts = torch.zeros(12, len(cuts), dtype=torch.bool)
    for row, positions in enumerate(cuts):
        starts[positions, row] = True
    found, after = model(tokens, model.initial_states(len(cuts)), starts)
    alone: list[Tensor] = []
    for row, positions in enumerate(cuts):
        pieces: list[Tensor] = []
        for begin, end in pairwise([0, *positions, 12]):
            outputs, last = model(tokens[begin:end, row : row + 1], model.initial_states(1))
            pieces.append(outputs)
        alone.append(torch.cat(pieces))
        for one, part in zip((part for state in after for part in state), (p for s in last for p in s), strict=True):
            assert are_close(one[row], part[0])
    expected = torch.cat(alone, dim=1)
    assert are_close(found, expected)
    wanted = gradients(model, expected)
    for name, gradient in gradients(model, found).items():
        assert are_close(gradient, wanted[name]), name


# Parts of one step, and a single part, are those of any cell; parts of several steps differ in how a cell reads them.
PARTS = [(cell, 5) for cell in CELLS] + [("essentials/lstm", 1), ("essentials/lstm", 12)]


@every_backend
@pytest.mark.parametrize(("cell", "every"), PARTS)
def test_recomputed_activations_have_the_same_gradients(cell: str, every: int, backend: str) -> None:
    model = model_or_skip(cell, backend)
    tokens, starts = torch.randint(SYMBOLS, (12, 2)), torch.rand(12, 2) < 0.1
    before = model.stack.initial_states(2)

    def compute(steps: slice, states: States) -> tuple[Tensor, States]:
        outputs, after = model(tokens[steps], states, starts[steps])
        weights = torch.linspace(0.5, 1.5, 24 * SYMBOLS, dtype=outputs.dtype).view(12, 2, SYMBOLS)
        return (outputs * weights[steps]).sum(), after

    def gradients_of(result: tuple[Tensor, States]) -> list[Tensor]:
        value, after = result
        total = value + sum(part.sum() for state in after for part in state)
        return [value, *(p for s in after for p in s), *torch.autograd.grad(total, list(model.parameters()))]

    expected = gradients_of(compute(slice(None), before))
    parts = [partial(compute, slice(first, first + every)) for first in range(0, 12, every)]
    found = gradients_of(add_recomputed(parts, before, list(model.parameters())))
    for one, other in zip(found, expected, strict=True):
        assert are_close(one, other)


@every_backend
@pytest.mark.parametrize(("cell", "every"), PARTS)
@pytest.mark.parametrize("both_directions", [False, True])
def test_recomputed_examples_have_the_same_gradients(
    cell: str, every: int, backend: str, both_directions: bool
) -> None:
    stack = model_or_skip(cell, backend).stack
    dtype = next(stack.parameters()).dtype
    if both_directions:
        stack = RecurrentStack(stack.layers[:1], backward_cells=stack.layers[1:])
    inputs, lengths = torch.randn(12, 2, 8, dtype=dtype, requires_grad=True), torch.tensor([12, 7])
    leaves = [inputs, *stack.parameters()]

    def gradients_of(part: int | None) -> list[Tensor]:
        encoded = stack.encode(inputs, lengths, part)
        weights = torch.linspace(0.5, 1.5, encoded.outputs.numel(), dtype=dtype).view_as(encoded.outputs)
        return [encoded.outputs, *torch.autograd.grad((encoded.outputs * weights).sum() + encoded.last.sum(), leaves)]

    for one, other in zip(gradients_of(every), gradients_of(None), strict=True):
        assert are_close(one, other)


def test_dropout_draws_the_same_numbers_again() -> None:
    values = torch.nn.Parameter(torch.ones(1000))
    dropout = torch.nn.Dropout(0.5)
    parts: list[Any] = [lambda states: (dropout(values).sum(), states)] * 3
    total, _ = add_recomputed(parts, (HiddenState(torch.zeros(1, 1)),), [values])
    (gradient,) = torch.autograd.grad(total, values)
    assert gradient.sum() == total


MEMORY = """
import resource, torch, seqforge
from seqforge.data.batches import Batch
from seqforge.runs.training_state import new_training_state
from seqforge.tasks.language_model import text_losses
from seqforge.training.step import train_step
cell = {"use": "min-gru", "hidden_size": 32, "repeat": 2}
table = {"corpus": {"use": "inline", "text": "hello"}, "model": {"cells": [cell]}}
experiment = seqforge.Experiment.from_dict(table)
state = new_training_state(experiment, 40, torch.device("cpu"))
def train(length):
    tokens = torch.randint(40, (length + 1, 4))
    losses = text_losses(state, [Batch(tokens[:-1], tokens[1:], False)], experiment.loss.build(), 500)
    train_step(state, losses, 1.0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
short = train(500)
print(train(50_000) - short)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of the measured memory is that of Linux")
def test_a_long_sequence_needs_the_memory_of_a_part(tmp_path: Path) -> None:
    (tmp_path / "memory.py").write_text(MEMORY)
    done = run_to_the_end([], tmp_path, {**os.environ, "PYTHONPATH": str(tmp_path)}, "memory")
    assert done.returncode == 0, done.stderr
    # The inputs, the targets and the states take 4 MB. The activations of 50,000 steps would take 300 MB and more.
    assert int(done.stdout) < 30_000


def test_a_learned_state_starts_from_that_of_the_cell_whatever_the_initializer_is() -> None:
    table: dict[str, Any] = {
        "corpus": {"use": "inline", "text": "hello"},
        "data": {"reset_state": "document"},
        "model": {"cells": ["slstm", "mlstm"], "initial_state": "learned", "initializer": "uniform"},
    }
    learned = build_model(Experiment.from_dict(table, registry=REGISTRY), SYMBOLS)
    table["model"].pop("initial_state")
    fixed = build_model(Experiment.from_dict(table, registry=REGISTRY), SYMBOLS)
    for one, other in zip(learned.initial_states(3), fixed.initial_states(3), strict=True):
        assert type(one) is type(other)
        for part, expected in zip(one, other, strict=True):
            assert torch.equal(part, expected)
            assert part.is_contiguous()
            assert part.requires_grad
            assert not expected.requires_grad
    assert not fixed.state_dict().keys() - learned.state_dict().keys()
    assert all(parameter.ndim == 1 for name, parameter in learned.named_parameters() if ".learned." in name)
