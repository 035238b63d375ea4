"""Every built kernel against the plain cell in float64."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.strategies import DataObject
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN
from seqforge_native import backend as native_backend
from seqforge_native.backend import NativeBackend
from seqforge_native.built_in_cells import table_gradient
from seqforge_native.library import Library
from torch import Tensor

from seqforge.kinds import BackendContext, FactoredCell, SequenceFunction, scan

CELLS: dict[str, Callable[[int, int], FactoredCell[Any]]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
    "relu": partial(RNN, nonlinearity="relu"),
}
# Relative to the norm. bfloat16 has 8 bits.
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 0.03}


class Case(NamedTuple):
    cell: FactoredCell[Any]
    inputs: Tensor
    state: tuple[Tensor, ...]


@pytest.fixture(autouse=True)
def _use_kernels(kernels: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the kernels of one instruction set."""
    monkeypatch.setattr(native_backend, "best_library", lambda: kernels)


def reader(cell: FactoredCell[Any], dtype: torch.dtype = torch.float32) -> SequenceFunction:
    return NativeBackend().sequence_function(cell, BackendContext(torch.device("cpu"), dtype))


def draw_case(data: DataObject, make_cell: Callable[[int, int], FactoredCell[Any]], *, symbols: bool) -> Case:
    sizes = strategies.integers(1, 9)
    time, batch = data.draw(sizes), data.draw(strategies.integers(1, 20))
    input_size, hidden_size = data.draw(sizes), data.draw(strategies.integers(1, 70))
    torch.manual_seed(data.draw(strategies.integers(0, 999)))
    cell = make_cell(input_size, hidden_size)
    state = tuple(torch.randn(batch, hidden_size) / 2 for _ in cell.initial_state(batch))
    inputs = torch.randint(input_size, (time, batch)) if symbols else torch.randn(time, batch, input_size)
    return Case(cell, inputs, state)


def results(case: Case, read: Callable[..., Any], dtype: torch.dtype) -> list[Tensor]:
    """Return the outputs, the last state, and the gradients of a weighted sum of them."""
    cell, inputs, state = case
    leaves = [part.to(dtype).requires_grad_() for part in state]
    if inputs.is_floating_point():
        inputs = inputs.to(dtype).requires_grad_()
        leaves.append(inputs)
    outputs, after = read(inputs, type(cell.initial_state(1))(*leaves[: len(state)]))
    generator = torch.Generator().manual_seed(1)
    found = [outputs, *after]
    total = sum((each.double() * torch.randn(each.shape, generator=generator)).sum() for each in found)
    assert isinstance(total, Tensor)
    return [*found, *torch.autograd.grad(total, [*leaves, *cell.parameters()])]


def plain_results(case: Case) -> list[Tensor]:
    cell, inputs, state = case
    double = cell.double()
    found = results(Case(double, inputs, state), lambda x, s: scan(double.step, double.project(x), s), torch.float64)
    cell.float()
    return [each.detach() for each in found]


@pytest.mark.parametrize("symbols", [True, False], ids=["symbols", "vectors"])
@pytest.mark.parametrize("dtype", list(TOLERANCES), ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", list(CELLS))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=strategies.data())
def test_a_kernel_equals_the_plain_cell(
    data: DataObject,
    name: str,
    dtype: torch.dtype,
    symbols: bool,
    kernels: Library,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if ("forward", dtype) not in kernels.functions:
        pytest.skip(f"{kernels.name} has no products in {dtype}")
    case = draw_case(data, CELLS[name], symbols=symbols)
    called: list[str] = []
    call = Library.call

    def counted(self: Library, function: str, *arguments: Any) -> None:
        called.append(function)
        call(self, function, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Library, "call", counted)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            fast = results(case, reader(case.cell, dtype), torch.float32)
    assert {"forward", "backward"} <= set(called)
    assert fast[0].dtype == dtype
    assert all(part.dtype == torch.float32 for part in fast[1 : 1 + len(case.state)])
    tolerance = TOLERANCES[dtype]
    compared = list(zip(fast, plain_results(case), strict=True))
    if (name, dtype) == ("relu", torch.bfloat16):
        # If rounding changes a sign, the slope of ReLU changes from 0 to 1, so that only values are compared.
        compared = compared[: 1 + len(case.state)]
    # The gradient of a parameter is a sum over all steps and rows. Their errors add up like the steps of a random walk.
    summands = case.inputs.shape[0] * case.inputs.shape[1]
    for index, (found, expected) in enumerate(compared):
        distance = (found.double() - expected).norm()
        # Allow for errors of the size of the summands, which cancel in a saturated gate.
        scale = expected.norm() + max(0.5, 0.2 * summands**0.5) * expected.numel() ** 0.5
        assert distance <= tolerance * scale, f"result {index} is off by {distance}"


@pytest.mark.parametrize("name", list(CELLS))
def test_outputs_with_and_without_gradients_are_bit_identical(name: str) -> None:
    cell = CELLS[name](5, 33)
    read, inputs = reader(cell), torch.randn(7, 3, 5)
    with_gradients, _ = read(inputs, cell.initial_state(3))
    with torch.inference_mode():
        without_gradients, _ = read(inputs, cell.initial_state(3))
    assert torch.equal(with_gradients, without_gradients)


@pytest.mark.parametrize("name", list(CELLS))
def test_the_number_of_threads_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    cell = CELLS[name](5, 40)
    case = Case(cell, torch.randint(5, (6, 13)), tuple(torch.randn(13, 40) for _ in cell.initial_state(1)))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = results(case, reader(cell), torch.float32)
        torch.set_num_threads(3)
        three = results(case, reader(cell), torch.float32)
    finally:
        torch.set_num_threads(threads)
    for left, right in zip(one, three, strict=True):
        torch.testing.assert_close(left, right)


@pytest.mark.parametrize("name", list(CELLS))
def test_nan_stays_in_its_row(name: str) -> None:
    cell = CELLS[name](5, 20)
    inputs = torch.randn(4, 3, 5)
    inputs[1, 1, 2] = torch.nan
    outputs, _ = reader(cell)(inputs, cell.initial_state(3))
    assert outputs[1:, 1].isnan().all()
    assert outputs[:, [0, 2]].isfinite().all()


@pytest.mark.parametrize("symbol", [-1, 5])
def test_a_symbol_outside_the_table_is_refused(symbol: int) -> None:
    cell = LSTM(5, 8)
    with pytest.raises(IndexError, match="it must be from 0 to 4"):
        reader(cell)(torch.tensor([[0], [symbol]]), cell.initial_state(1))


@given(data=strategies.data())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_gradient_of_a_table_is_the_sum_for_each_symbol(kernels: Library, data: DataObject) -> None:
    sizes = strategies.integers(1, 9)
    steps, batch, registers, count = data.draw(sizes), data.draw(sizes), data.draw(sizes), data.draw(sizes)
    torch.manual_seed(data.draw(strategies.integers(0, 999)))
    symbols, gradient = torch.randint(count, (steps, batch)), torch.randn(steps, batch, registers * kernels.lanes)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(data.draw(strategies.integers(1, 3)))
        found = table_gradient(kernels, symbols, gradient, count)
    finally:
        torch.set_num_threads(before)
    expected = torch.zeros(count, gradient.shape[-1]).index_add(0, symbols.flatten(), gradient.flatten(0, 1))
    torch.testing.assert_close(found, expected)
