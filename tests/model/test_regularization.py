"""Regularization: masks of whole sequences, masked weights on every backend, penalties; nothing outside of training."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.losses import CrossEntropy
from seqforge_essentials.schedules import Constant
from stacks_of_cells import table_of
from torch import Tensor

from seqforge import Experiment
from seqforge.data.batches import Batch
from seqforge.data.padded_batches import PaddedBatch
from seqforge.dropout import Dropout
from seqforge.errors import ExperimentError
from seqforge.evaluation.examples import example_loss
from seqforge.kinds import BackendContext, Classes, ExampleSpec, Numbers, Text
from seqforge.kinds.cell import recurrent_matrices
from seqforge.model.build import build_model
from seqforge.model.choose_backend import leaf_cells
from seqforge.model.install_backend import install_backend, load_backend
from seqforge.model.measure_backends import EAGER
from seqforge.model.sequence_model import SequenceModel, read_inputs
from seqforge.model.stack import NO_MASKS
from seqforge.registry.registry import Registry
from seqforge.runs.training_state import TrainingState
from seqforge.tasks.language_model import text_losses

REGISTRY = Registry.installed()
CELLS = [entry.qualified_name for entry in REGISTRY.registrations("cell") if not entry.preset_of]
SYMBOLS = 7
EVERYTHING = {
    "dropout": 0.4,
    "dropout_mask": "sequence",
    "input_dropout": 0.3,
    "embedding_dropout": 0.3,
    "weight_drop": 0.5,
}


def new_model(cell: str = "essentials/lstm", backend: str = EAGER, **options: Any) -> SequenceModel:
    """Return two layers of a cell in training, or skip the test if the backend does not run it."""
    table = {
        "corpus": {"use": "inline", "text": "hello"},
        "model": {
            "embedding_size": 8,
            "cells": [{**table_of(cell), "repeat": 2}],
            **options,
        },
    }
    model = build_model(Experiment.from_dict(table, registry=REGISTRY), SYMBOLS)
    model = model.double() if backend == EAGER else model
    context = BackendContext(torch.device("cpu"), next(model.parameters()).dtype)
    for _, leaf, _ in leaf_cells(model):
        chosen = load_backend(REGISTRY, backend)
        if chosen.refusal(leaf, context) is not None or chosen.preparation_seconds(leaf, context):
            pytest.skip(f"{backend} does not run {cell} at once")
        install_backend(chosen, leaf, context)
    return model.train()


def differentiate(model: SequenceModel, outputs: Tensor) -> dict[str, Tensor]:
    """Return the gradient of a sum in which every output has another weight."""
    parameters = dict(model.named_parameters())
    total = (outputs * torch.linspace(0.5, 1.5, outputs.numel(), dtype=outputs.dtype).view_as(outputs)).sum()
    return dict(zip(parameters, torch.autograd.grad(total, list(parameters.values())), strict=True))


def test_weights_of_some_layers_are_dropped_if_others_have_none() -> None:
    cells = [{"use": name, "hidden_size": 8} for name in ("lstm", "min-gru")]
    table = {"corpus": {"use": "inline", "text": "hello"}, "model": {"cells": cells, "weight_drop": 0.5}}
    model = build_model(Experiment.from_dict(table, registry=REGISTRY), SYMBOLS)
    assert model.draw_masks(3).weights.keys() == {0}


@pytest.mark.parametrize("backend", [EAGER, "native", "onednn"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_with_masked_weights_computes_what_one_with_these_weights_does(cell: str, backend: str) -> None:
    try:
        model = new_model(cell, backend, weight_drop=0.5)
    except ExperimentError as error:
        assert "model.weight_drop: no layer has a recurrent weight matrix" in error.message  # noqa: PT017 - of that cell
        return
    other, masks = copy.deepcopy(model), model.draw_masks(3)
    assert masks.weights.keys() == {0, 1}
    of_weights: dict[str, Tensor] = {}
    for index, layer in enumerate(other.stack.layers):
        assert masks.weights[index].keys() == recurrent_matrices(layer).keys()
        for name, mask in masks.weights[index].items():
            assert set(mask.unique().tolist()) == {0, 2}
            of_weights[f"stack.cells.{index}.{name}"] = mask
            with torch.no_grad():
                layer.get_parameter(name).mul_(mask)
    tokens = torch.randint(SYMBOLS, (5, 3))
    starts = torch.rand(5, 3) < 0.2
    for where in (None, starts):
        torch.manual_seed(2)  # Zoneout draws masks, too.
        found = model.read(tokens, model.initial_states(3), where, masks)[0]
        torch.manual_seed(2)
        expected = other.read(tokens, other.initial_states(3), where, NO_MASKS)[0]
        assert torch.equal(found, expected)
        gradients = differentiate(other, expected)
        for name, gradient in differentiate(model, found).items():
            torch.testing.assert_close(gradient, gradients[name] * of_weights.get(name, 1), rtol=1e-4, atol=1e-6)


@given(probability=st.sampled_from([0.1, 0.5, 0.9]), seed=st.integers(0, 99))
@settings(max_examples=6)
def test_masks_keep_the_expected_value(probability: float, seed: int) -> None:
    torch.manual_seed(seed)
    model = new_model(**dict.fromkeys(["dropout", "input_dropout", "embedding_dropout", "weight_drop"], probability),
                      dropout_mask="sequence")  # fmt: skip
    draws = [model.draw_masks(100) for _ in range(30)]
    masks: dict[str, Callable[[Any], Tensor]] = {
        "symbols": lambda masks: masks.symbols,
        "inputs": lambda masks: masks.inputs,
        "lower outputs": lambda masks: masks.outputs[0],
        "higher outputs": lambda masks: masks.outputs[1],
        "weights": lambda masks: masks.weights[1]["recurrent_weight"],
    }
    for name, select in masks.items():
        values = torch.stack([select(draw) for draw in draws])
        deviation = (probability / (1 - probability) / values.numel()) ** 0.5
        assert abs(values.mean().item() - 1) < 5 * deviation + 1e-4, name
        assert len(values.unique(dim=0)) > 1, name


def test_a_mask_is_the_same_on_all_steps_of_a_sequence() -> None:
    model = new_model(dropout=0.5, dropout_mask="sequence", input_dropout=0.5)
    masks = model.draw_masks(4)
    tokens = torch.randint(SYMBOLS, (9, 4))
    vectors = model.stack.input_dropout(model.input(tokens), masks.inputs)
    outputs, states = model.stack(model.input(tokens), model.initial_states(4), masks=masks)
    for dropped, mask in ((vectors, masks.inputs), (model.stack.drop_outputs(outputs, masks), masks.outputs[1])):
        zero = dropped == 0
        assert torch.equal(zero, (mask == 0).expand_as(zero))
        assert len(zero[0].unique(dim=0)) > 1
    # Neither the state nor what the layer above reads from it is masked.
    assert not bool((states[1].hidden == 0).any())
    # With masks of steps, each step has its own.
    model = new_model(dropout=0.5)
    assert model.draw_masks(4) == NO_MASKS
    zero = model.stack.drop_outputs(torch.ones(9, 4, 8), NO_MASKS) == 0
    assert len(zero.unique(dim=0)) > 1


def test_a_dropped_symbol_is_dropped_everywhere_in_a_batch() -> None:
    model = new_model(embedding_dropout=0.5)
    masks = model.draw_masks(4)
    assert masks.symbols is not None
    tokens = torch.randint(SYMBOLS, (50, 4))
    vectors = read_inputs(model.input, tokens, masks)
    expected = (masks.symbols * model.get_parameter("input.embedding.weight"))[tokens]
    assert torch.equal(vectors, expected)
    assert 0 < int((masks.symbols == 0).sum()) < SYMBOLS


def step_of(model: SequenceModel, every: int | None, starts: Tensor | None) -> list[Tensor]:
    """Return the loss, the states and the gradients of a step whose activations may be recomputed."""
    torch.manual_seed(3)
    tokens = torch.randint(SYMBOLS, (13, 4))
    batch = Batch(tokens[:-1], tokens[1:], continues=False, starts=starts)
    state = TrainingState(model, torch.optim.SGD(model.parameters()), Constant())
    value, after = text_losses(state, [batch], CrossEntropy(), every)[0](model)
    gradients = torch.autograd.grad(value, state.parameters)
    return [value, *(part for layer in after for part in layer), *gradients]


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("backend", [EAGER, "native"])
def test_the_parts_of_a_sequence_have_the_same_masks(backend: str, documents: bool) -> None:
    model = new_model(backend=backend, activation_penalty=2.0, **EVERYTHING)
    starts = torch.rand(12, 4) < 0.1 if documents else None
    for found, expected in zip(step_of(model, 5, starts), step_of(model, None, starts), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_dropout_of_an_embedding_that_does_not_exist_is_an_error(labelled_experiment: Any) -> None:
    spec = ExampleSpec(Numbers(3), "vector", Classes(("x", "y", "z")), "once")
    experiment = labelled_experiment(
        corpus={"use": "made", "inputs": "numbers", "input_kind": "vector"},
        model={"topology": "one-to-one", "embedding_dropout": 0.3, "embedding_size": 5},
    )
    with pytest.raises(ExperimentError, match=r"model\.embedding_dropout: has no effect"):
        build_model(experiment, SYMBOLS, spec)


@pytest.mark.parametrize("options", [{"topology": "many-to-one"}, {"topology": "many-to-many"}])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_labelled_examples_have_the_same_masks_in_all_parts(
    labelled_experiment: Any, options: dict[str, str], bidirectional: bool
) -> None:
    many = options["topology"] == "many-to-many"
    target, output_mode = (Text(), "sequence") if many else (Classes(("x", "y", "z")), "once")
    spec = ExampleSpec(Text(), "sequence", target, output_mode)
    table = {**options, **EVERYTHING, "embedding_size": 5, "bidirectional": bidirectional}
    corpus = {"use": "made", "inputs": "text", "targets": "text" if many else "classes", "output_mode": output_mode}
    experiment = labelled_experiment(corpus=corpus, model=table)
    model = build_model(experiment, SYMBOLS, spec).double().train()
    targets = torch.randint(SYMBOLS, (4, 3)) if many else torch.randint(3, (3,))
    batch = PaddedBatch(torch.randint(SYMBOLS, (9, 3)), torch.tensor([9, 5, 7]), targets)
    loss = experiment.loss.build()

    def compute(every: int | None) -> list[Tensor]:
        torch.manual_seed(2)
        value = example_loss(model, spec, model.encode(batch.inputs, batch.lengths, every), batch, loss)
        return [value, *torch.autograd.grad(value, list(model.parameters()))]

    for found, expected in zip(compute(4), compute(None), strict=True):
        torch.testing.assert_close(found, expected)
    first, second = (example_loss(model, spec, model.encode(batch.inputs, batch.lengths), batch, loss) for _ in "ab")
    assert first != second


def test_nothing_is_regularized_outside_of_training() -> None:
    penalties = {"activation_penalty": 2.0, "temporal_activation_penalty": 1.0}
    torch.manual_seed(0)
    model, plain = new_model(**EVERYTHING, **penalties).eval(), new_model().eval()
    tokens = torch.randint(SYMBOLS, (9, 4))
    before = torch.get_rng_state()
    assert model.draw_masks(4) == NO_MASKS
    found, _, penalty = model.read(tokens, model.initial_states(4), None, model.draw_masks(4))
    assert torch.equal(found, plain(tokens, plain.initial_states(4))[0])
    assert penalty == 0
    read, states = model.stepper(), model.initial_states(4)
    for step, row in enumerate(tokens):
        logits, states = read(row, states)
        torch.testing.assert_close(logits, found[step])
    assert torch.equal(torch.get_rng_state(), before)


def test_penalties_are_those_of_the_paper() -> None:
    model = new_model(dropout=0.5, activation_penalty=2.0, temporal_activation_penalty=3.0)
    tokens = torch.randint(SYMBOLS, (9, 4))
    torch.manual_seed(1)
    penalty = model.read(tokens, model.initial_states(4), None, NO_MASKS)[2]
    torch.manual_seed(1)
    outputs, _ = model.stack(model.input(tokens), model.initial_states(4))
    dropped = Dropout(0.5)(outputs)
    expected = 2 * dropped.square().mean() + 3 * (outputs[1:] - outputs[:-1]).square().mean()
    torch.testing.assert_close(penalty, expected.float())
    weights = list(model.stack.parameters())
    for found, wanted in zip(
        torch.autograd.grad(penalty, weights), torch.autograd.grad(expected, weights), strict=True
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-7)
    # A sequence of one step has no change from step to step.
    one = model.read(tokens[:1], model.initial_states(4), None, NO_MASKS)
    assert torch.isfinite(torch.as_tensor(one[2]))
