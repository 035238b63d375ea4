from pathlib import Path

import pytest

from seqforge.registry.component import Component
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry

REGISTRY = Registry.installed()


def check(**table):
    return resolve(REGISTRY, "cell", table, "model.cells.0", Path())


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        ("rnn", {"hidden_size": 128, "nonlinearity": "tanh"}),
        ("gru", {"hidden_size": 128}),
        ("reset-before-gru", {"hidden_size": 128}),
        ("lstm", {"hidden_size": 128, "forget_bias": 1.0, "peepholes": False, "coupled_gates": False}),
    ],
)
def test_defaults(name, defaults):
    component = check(use=f"essentials/{name}")
    assert isinstance(component, Component)
    assert component.table == {"use": f"essentials/{name}", **defaults}
    cell = component.build(input_size=5)
    assert (cell.input_size, cell.hidden_size) == (5, 128)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"use": "rnn", "hidden_size": 3, "nonlinearity": "relu"}, {"input_weight": (3, 5), "bias": (3,)}),
        ({"use": "gru", "hidden_size": 3}, {"input_weight": (9, 5), "bias": (9,), "recurrent_bias": (3,)}),
        ({"use": "reset-before-gru", "hidden_size": 3}, {"input_weight": (9, 5), "bias": (9,)}),
        ({"use": "lstm", "hidden_size": 3}, {"input_weight": (12, 5), "bias": (12,)}),
        ({"use": "lstm", "hidden_size": 3, "coupled_gates": True}, {"input_weight": (9, 5), "bias": (9,)}),
        (
            {"use": "lstm", "hidden_size": 3, "forget_bias": 2, "peepholes": True},
            {
                "input_weight": (12, 5), "bias": (12,),
                "input_peephole": (3,), "forget_peephole": (3,), "output_peephole": (3,),
            },
        ),
        (
            {"use": "lstm", "hidden_size": 3, "coupled_gates": True, "peepholes": True},
            {"input_weight": (9, 5), "bias": (9,), "forget_peephole": (3,), "output_peephole": (3,)},
        ),
    ],
)  # fmt: skip
def test_options_determine_the_shapes_of_the_parameters(table, expected):
    cell = check(**table).build(input_size=5)
    recurrent = (expected["input_weight"][0], 3)
    shapes = {name: tuple(parameter.shape) for name, parameter in cell.named_parameters()}
    assert shapes == {**expected, "recurrent_weight": recurrent}


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"use": "lstm", "hidden_size": 0}, "model.cells.0.hidden_size"),
        ({"use": "lstm", "hidden_size": "128"}, "model.cells.0.hidden_size"),
        ({"use": "lstm", "peephole": True}, "model.cells.0.peephole"),
        ({"use": "rnn", "nonlinearity": "sigmoid"}, "model.cells.0.nonlinearity"),
    ],
)
def test_an_invalid_option_is_reported_with_its_key(table, key):
    (problem,) = check(**table)
    assert problem.key == key
