"""Generation in int8 against the same arithmetic in float64, and against float32."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings, strategies
from hypothesis.strategies import DataObject
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN
from seqforge_native import backend as native_backend
from seqforge_native.backend import NativeBackend
from seqforge_native.generation import NativeGenerationKernel
from seqforge_native.library import Library
from seqforge_parallel_cells.cells import MinGRU
from torch import Tensor

from seqforge import Experiment
from seqforge.generation.generator import generate
from seqforge.kinds import FactoredCell, GenerationModel, State
from seqforge.model.build import build_model

CELLS: dict[str, Callable[[int, int], FactoredCell[Any]]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
    "relu": partial(RNN, nonlinearity="relu"),
}
LEAST = torch.tensor(1e-30)


@pytest.fixture(autouse=True)
def _use_kernels(kernels: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernels.generates(torch.int8):
        pytest.skip(f"{kernels.name} has no products in int8")
    monkeypatch.setattr(native_backend, "best_library", lambda: kernels)


States = Sequence[State]


def draw_network(data: DataObject, name: str) -> tuple[GenerationModel, States]:
    """Draw a model with different logits, and states."""
    torch.manual_seed(data.draw(strategies.integers(0, 999)))
    symbols, batch = data.draw(strategies.integers(2, 40)), data.draw(strategies.integers(1, 9))
    sizes = data.draw(strategies.lists(strategies.integers(1, 40), min_size=1, max_size=3))
    embedding = torch.randn(symbols, 5) if data.draw(strategies.booleans()) else None
    inputs = [symbols if embedding is None else 5, *sizes[:-1]]
    cells = [CELLS[name](*shape) for shape in zip(inputs, sizes, strict=True)]
    states = [type(cell.initial_state(1))(*map(torch.randn_like, cell.initial_state(batch))) for cell in cells]
    head = torch.randn(symbols, sizes[-1]) * 2, torch.randn(symbols)
    return GenerationModel(cells, embedding, *head, [], torch.int8), states


def probabilities(network: GenerationModel, states: States, symbols: Tensor) -> Tensor:
    """Return the probabilities of the next symbol in the kernels, after each of the symbols `[steps, batch]`."""
    found: list[Tensor] = []
    with torch.inference_mode():
        generation_kernel = NativeBackend().generation_kernel(network)
        assert isinstance(generation_kernel, NativeGenerationKernel)
        for step in symbols:
            drawn, states = generation_kernel(step, states, torch.zeros(1, len(step)))
            assert len(drawn) == 1
            found.append(generation_kernel.probabilities.clone())
    return torch.stack(found)


def round_rows(rows: Tensor) -> Tensor:
    """Round each row to multiples of 1/127 of its largest absolute value."""
    scale = torch.maximum(rows.abs().amax(1, keepdim=True), LEAST) / 127
    return (rows / scale).round().double() * scale.double()


def is_near_tie(rows: Tensor) -> bool:
    """Return whether the rounding errors of float32 may change to which multiple a number is rounded."""
    steps = rows / (torch.maximum(rows.abs().amax(1, keepdim=True), LEAST.double()) / 127)
    return bool(((steps - steps.floor() - 0.5).abs() < 5e-4).any())


def reference(network: GenerationModel, states: States, symbols: Tensor) -> tuple[Tensor, bool]:
    """Compute the probabilities after symbols `[batch]` in float64, rounded like the kernels but summed exactly.

    Also return whether a rounded number is near a tie.
    """
    inputs: Tensor | None = None
    near_tie = False
    for cell, state in zip(network.cells, states, strict=True):
        assert isinstance(cell, FactoredCell)
        if inputs is None:
            rows = cell.input_weight.t() if network.embedding is None else network.embedding @ cell.input_weight.t()
            gates = (rows + cell.bias).double()[symbols]
        else:
            gates = round_rows(inputs.float()) @ round_rows(cell.input_weight).t() + cell.bias.double()
        recurrent = round_rows(state[0]) @ round_rows(cell.recurrent_weight).t()
        before = type(state)(*(part.double() for part in state))
        inputs, _ = copy.deepcopy(cell).double().pointwise(gates, recurrent, before)
        near_tie |= is_near_tie(inputs)
    assert inputs is not None
    logits = round_rows(inputs.float()) @ round_rows(network.head_weight).t() + network.head_bias.double()
    return logits.softmax(-1), near_tie


@pytest.mark.parametrize("name", list(CELLS))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(data=strategies.data())
def test_the_kernels_compute_the_probabilities_of_the_reference(data: DataObject, name: str) -> None:
    network, states = draw_network(data, name)
    symbols = torch.randint(len(network.head_bias), (len(states[0][0]),))
    with torch.no_grad():
        expected, near_tie = reference(network, states, symbols)
    assume(not near_tie)
    found = probabilities(network, states, symbols.unsqueeze(0))[0].double()
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("name", list(CELLS))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=strategies.data())
def test_probabilities_are_close_to_those_of_float32(data: DataObject, name: str) -> None:
    network, states = draw_network(data, name)
    symbols = torch.randint(len(network.head_bias), (8, len(states[0][0])))
    plain = probabilities(replace(network, dtype=torch.float32), states, symbols)
    moved = (probabilities(network, states, symbols) - plain).abs().sum(-1) / 2
    # Fractions of the probability. The errors of models with few units average out least.
    assert moved.mean() < 0.03, f"{moved.mean()} of the probability is elsewhere"
    assert moved.max() < 0.2


def test_the_number_of_threads_changes_nothing() -> None:
    torch.manual_seed(0)
    cells = [LSTM(20, 256), LSTM(256, 256)]
    states = [cell.initial_state(1) for cell in cells]
    network = GenerationModel(cells, None, torch.randn(20, 256), torch.randn(20), [], torch.int8)
    symbols = torch.randint(20, (50, 1))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = probabilities(network, states, symbols)
        torch.set_num_threads(3)
        assert torch.equal(probabilities(network, states, symbols), one)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("size", [0.0, 1e-38, 3e-33, 1e30, 3e38])
def test_weights_of_any_magnitude_are_supported(size: float) -> None:
    torch.manual_seed(0)
    cell = LSTM(3, 17)
    with torch.no_grad():
        cell.recurrent_weight.copy_(torch.tensor(size).copysign(cell.recurrent_weight))
    states = [type(cell.initial_state(1))(torch.full((2, 17), 0.5), torch.zeros(2, 17))]
    network = GenerationModel([cell], None, torch.randn(4, 17), torch.randn(4), [], torch.int8)
    symbols = torch.tensor([0, 2])
    with torch.no_grad():
        expected, near_tie = reference(network, states, symbols)
    assert not near_tie
    found = probabilities(network, states, symbols.unsqueeze(0))[0].double()
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("number", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("place", ["input_weight", "recurrent_weight", "bias", "head"])
def test_weights_that_are_not_finite_have_no_int8_kernel(number: float, place: str) -> None:
    cells = [GRU(3, 5), GRU(5, 5)]
    head = torch.randn(4, 5)
    with torch.no_grad():
        (head if place == "head" else getattr(cells[1], place)).view(-1)[3] = number
    network = GenerationModel(cells, None, head, torch.zeros(4), [], torch.int8)
    assert NativeBackend().generation_kernel(network) is None


@pytest.mark.parametrize("size", [1 << 16, (1 << 16) + 1])
def test_a_sum_of_one_product_that_exceeds_32_bits_has_no_int8_kernel(size: int) -> None:
    cells = [MinGRU(2, size), RNN(size, 3)]
    network = GenerationModel(cells, None, torch.randn(2, 3), torch.zeros(2), [], torch.int8)
    assert (NativeBackend().generation_kernel(network) is None) is (size > 1 << 16)


def test_a_library_without_int8_generates_in_float32_only(kernels: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = {key: function for key, function in kernels.functions.items() if key[1] != torch.int8}
    monkeypatch.setattr(native_backend, "best_library", lambda: replace(kernels, functions=functions))
    cell = LSTM(3, 5)
    network = GenerationModel([cell], None, torch.randn(4, 5), torch.zeros(4), [], torch.int8)
    assert NativeBackend().generation_kernel(network) is None
    assert NativeBackend().generation_kernel(replace(network, dtype=torch.float32)) is not None


def test_the_precision_int8_selects_the_int8_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment.from_dict(
        {
            "experiment": {"name": "test"},
            "corpus": {"use": "inline", "text": "hello"},
            "vocabulary": {"use": "bytes"},
            "model": {"cells": [{"use": "essentials/gru", "hidden_size": 6}]},
        }
    )
    model = build_model(experiment, 5)
    model.precision = "int8"
    types: list[torch.dtype] = []
    call = Library.call

    def record_dtype(self: Library, name: str, dtype: torch.dtype, *arguments: Any) -> Any:
        types.extend([dtype] if name == "decode" else [])
        return call(self, name, dtype, *arguments)

    monkeypatch.setattr(Library, "call", record_dtype)
    samplers = [component.build() for component in experiment.samplers]
    list(generate(model, experiment.vocabulary.build(), samplers, torch.tensor([0]), count=2, length=9, seed=0))
    assert types == [torch.int8]


@pytest.mark.parametrize("number", [torch.inf, torch.nan])
def test_a_state_that_is_not_finite_ends_the_generation(number: float) -> None:
    cell = RNN(3, 33, nonlinearity="relu")
    state = cell.initial_state(2)
    state.hidden[1, 20] = number
    network = GenerationModel([cell], None, torch.randn(4, 33), torch.zeros(4), [], torch.int8)
    generation_kernel = NativeBackend().generation_kernel(network)
    assert generation_kernel is not None
    drawn, _ = generation_kernel(torch.tensor([0, 2]), [state], torch.zeros(1, 2))
    assert len(drawn) == 0
