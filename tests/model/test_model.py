"""The model: input layer, stack of cells, dropout, head, and initialization."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqforge import Experiment
from seqforge.model.build import build_model
from seqforge.model.input import OneHotInput

MakeExperiment = Callable[..., Experiment]


def test_one_hot_input_selects_a_column_of_the_first_weight() -> None:
    weight = torch.randn(7, 5)
    tokens = torch.tensor([[0, 4], [2, 2]])
    torch.testing.assert_close(OneHotInput(5)(tokens) @ weight.T, weight.T[tokens])


def test_one_hot_vectors_are_neither_saved_nor_kept() -> None:
    module = OneHotInput(100_000).double()
    assert module.state_dict() == {}
    assert module(torch.tensor(3)).dtype == torch.float64
    assert sum(buffer.numel() for buffer in module.buffers()) == 1


def test_weights_depend_only_on_the_seed(experiment: MakeExperiment) -> None:
    torch.manual_seed(1)
    first = build_model(experiment(), 9).state_dict()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = build_model(experiment(), 9).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    other = build_model(experiment(experiment={"seed": 2}), 9).state_dict()
    for name, weight in first.items():
        assert torch.equal(weight, second[name])
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_the_initializer_sets_every_weight_except_those_that_a_cell_sets(experiment: MakeExperiment) -> None:
    cells = [{"use": "essentials/lstm", "hidden_size": 6, "forget_bias": 3.0}]
    chosen = experiment(model={"initializer": {"use": "uniform", "scale": 0.08}, "cells": cells, "embedding_size": 4})
    state = build_model(chosen, 9).state_dict()
    forget = state.pop("stack.cells.0.bias")[6:12]
    assert torch.equal(forget, torch.full((6,), 3.0))
    for name, weight in state.items():
        assert weight.abs().max() <= 0.08, name
        assert weight.abs().max() > 0.03, name


def test_the_stepper_gives_the_logits_of_the_whole_sequence(experiment: MakeExperiment) -> None:
    cells = [
        {"use": "essentials/gru", "hidden_size": 6},
        {"use": "lstm", "hidden_size": 5},
    ]
    model = build_model(experiment(model={"cells": cells, "dropout": 0.5}), 9).eval()
    tokens = torch.randint(9, (8, 3))
    whole, _ = model(tokens, model.initial_states(3))
    states = model.initial_states(3)
    read = model.stepper()
    for step, row in enumerate(tokens):
        logits, states = read(row, states)
        torch.testing.assert_close(logits, whole[step])


def test_dropout_applies_between_layers_and_only_in_training(experiment: MakeExperiment) -> None:
    cells = [{"use": "essentials/rnn", "hidden_size": 8, "repeat": 2}]
    model = build_model(experiment(model={"cells": cells, "dropout": 0.5}), 9)
    tokens = torch.randint(9, (8, 3))

    def outputs() -> tuple[torch.Tensor, Any]:
        return model(tokens, model.initial_states(3))

    model.train()
    (first, states), (second, _) = outputs(), outputs()
    assert not torch.equal(first, second)
    # Dropout comes after the first layer, and does not change its state.
    model.eval()
    (third, undropped), (fourth, _) = outputs(), outputs()
    assert torch.equal(third, fourth)
    assert torch.equal(states[0].hidden, undropped[0].hidden)


@pytest.mark.parametrize("embedding_size", [None, 3])
def test_the_number_of_parameters_is_that_of_the_equations(
    embedding_size: int | None, experiment: MakeExperiment
) -> None:
    model_table = {"cells": [{"use": "essentials/lstm", "hidden_size": 10, "repeat": 2}]}
    chosen = experiment(model=model_table | ({"embedding_size": embedding_size} if embedding_size else {}))
    count = sum(parameter.numel() for parameter in build_model(chosen, 7).parameters())
    size = embedding_size or 7
    embedding = 7 * embedding_size if embedding_size else 0
    assert count == embedding + 4 * 10 * (size + 10 + 1) + 4 * 10 * (10 + 10 + 1) + 7 * (10 + 1)


BLOCKS = {
    "corpus": {"use": "inline", "text": "hello"},
    "model": {
        "embedding_size": 8,
        "tied_weights": True,
        "final_norm": "rms",
        "cells": [{"use": "griffin-block", "cell": {"use": "gru", "hidden_size": 6}, "dropout": 0.5, "repeat": 2}],
    },
}


def test_the_head_of_tied_weights_is_the_embedding() -> None:
    model = build_model(Experiment.from_dict(BLOCKS), 9)
    names = {name for name, _ in model.named_parameters()}
    assert "input.embedding.weight" in names
    assert "head.weight" not in names
    state = model.state_dict()
    assert torch.equal(state["head.weight"], state["input.embedding.weight"])
    assert state["head.weight"].abs().max() <= 8**-0.5  # the initial values of a head
    tokens = torch.randint(9, (4, 2))
    model(tokens, model.initial_states(2))[0].square().sum().backward()
    assert model.head.weight.grad is model.get_parameter("input.embedding.weight").grad


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_the_head_reads_normalized_features_in_steps_too(norm: str) -> None:
    model = build_model(Experiment.from_dict({**BLOCKS, "model": {**BLOCKS["model"], "final_norm": norm}}), 9).eval()
    tokens = torch.randint(9, (4, 2))
    logits, _ = model(tokens, model.initial_states(2))
    features, _ = model.stack(model.input(tokens), model.initial_states(2))
    centered = features - features.mean(-1, keepdim=True) if norm == "layer" else features
    normalized = centered / (centered.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(logits, normalized @ model.head.weight.T + model.head.bias)
    read, states = model.stepper(), model.initial_states(2)
    for step, row in enumerate(tokens):
        found, states = read(row, states)
        torch.testing.assert_close(found, logits[step])


def test_the_dropout_of_a_block_leaves_the_residual_stream() -> None:
    model = build_model(Experiment.from_dict(BLOCKS), 9)
    block = model.stack.layers[0]
    inputs = torch.randn(50, 4, 8)
    outputs, _ = block(inputs, block.initial_state(4))
    dropped = (outputs - inputs).abs() < 1e-6
    # A feature is unchanged if both parts drop it.
    assert 0.15 < dropped.float().mean() < 0.35
    outputs, _ = block.eval()(inputs, block.initial_state(4))
    assert ((outputs - inputs).abs() > 1e-6).float().mean() > 0.95
