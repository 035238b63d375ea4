"""Factored cells over a sequence in plain torch, and the dtype of their matrix products."""

from typing import Any, NamedTuple

import pytest
import torch
from seqforge_essentials.cells.lstm import LSTM
from torch import Tensor, nn

from seqforge.cells import ElementwisePart, differentiate_by_autograd, product_dtype, read_sequence
from seqforge.kinds import FactoredCell, scan


class Memory(NamedTuple):
    hidden: Tensor
    total: Tensor
    steps: Tensor


class Leaky(FactoredCell[Memory]):
    """A cell with further parameters, an output that is not its hidden state, and integers in its state."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 2 * hidden_size)
        self.leak = self.uniform_parameter(hidden_size)
        self.fixed = nn.Parameter(torch.ones(hidden_size), requires_grad=False)

    def initial_state(self, batch_size: int) -> Memory:
        zeros = self.bias.new_zeros(batch_size, self.hidden_size)
        return Memory(zeros, zeros, torch.zeros(batch_size, dtype=torch.int64))

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        gate, candidate = (input_gates + recurrent_gates).chunk(2, dim=1)
        gate = gate * self.fixed
        total = state.total * torch.sigmoid(self.leak) + torch.sigmoid(gate) * torch.tanh(candidate)
        return total.square(), Memory(torch.tanh(total), total, state.steps + 1)


def compute_results(cell: Leaky, inputs: Tensor, read: Any, precision: torch.dtype) -> list[Tensor]:
    """Return the outputs, the last state, and the gradients of a weighted sum of them."""
    start = cell.initial_state(inputs.shape[1])
    state = Memory(*(part.clone().requires_grad_(part.is_floating_point()) for part in start))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        outputs, after = read(inputs, state)
    found = [outputs, *after]
    generator = torch.Generator().manual_seed(0)
    weighted = [(each.double() * torch.randn(each.shape, generator=generator)).sum() for each in found[:3]]
    leaves = [*state[:2], *(parameter for parameter in cell.parameters() if parameter.requires_grad)]
    return [each.detach() for each in found] + list(torch.autograd.grad(torch.stack(weighted).sum(), leaves))


@pytest.mark.parametrize(
    ("precision", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5), (torch.bfloat16, 0.03)]
)
def test_reading_a_sequence_equals_the_scan_of_its_steps(precision: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(1)
    cell = Leaky(5, 11)
    inputs = torch.randint(5, (7, 3))
    double = Leaky(5, 11).double()
    double.load_state_dict(cell.state_dict())
    expected = compute_results(double, inputs, lambda x, s: scan(double.step, double.project(x), s), torch.float64)
    if precision == torch.float64:
        cell = cell.double()
    found = compute_results(cell, inputs, cell, precision)
    assert found[3].tolist() == [7, 7, 7]
    for left, right in zip(found, expected, strict=True):
        assert (left.double() - right.double()).norm() <= tolerance * (right.double().norm() + 0.1)


def test_a_sequence_can_be_differentiated_twice_if_the_graph_is_kept() -> None:
    cell = Leaky(5, 4)
    outputs, _ = cell(torch.randint(5, (6, 2)), cell.initial_state(2))
    first = torch.autograd.grad(outputs.sum(), cell.recurrent_weight, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(outputs.sum(), cell.recurrent_weight)[0], first)


def test_without_gradients_no_graph_is_kept() -> None:
    cell = Leaky(5, 4)
    inputs = torch.randint(5, (6, 2))
    with_gradients, _ = cell(inputs, cell.initial_state(2))
    with torch.no_grad():
        without_gradients, _ = cell(inputs, cell.initial_state(2))
    assert without_gradients.grad_fn is None
    assert torch.equal(with_gradients, without_gradients)


def test_with_frozen_weights_the_other_parameters_have_gradients() -> None:
    cell = Leaky(5, 4)
    cell.input_weight.requires_grad_(False)
    cell.recurrent_weight.requires_grad_(False)
    outputs, _ = cell(torch.randint(5, (6, 2)), cell.initial_state(2))
    gradients = torch.autograd.grad(outputs.sum(), [cell.bias, cell.leak])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_only_trainable_parameters_of_the_elementwise_part_are_differentiated() -> None:
    cell = Leaky(5, 4)
    part = ElementwisePart(cell, torch.float32, Memory)
    assert list(part.trainable_parameters()) == ["cell.leak"]
    assert differentiate_by_autograd(part).parameters == (cell.leak,)


def test_read_sequence_runs_any_elementwise_part() -> None:
    cell = Leaky(5, 4)
    part = differentiate_by_autograd(ElementwisePart(cell, torch.float32, Memory))
    inputs = torch.randint(5, (6, 2))
    outputs, after = read_sequence(part, cell.project(inputs), cell.recurrent_weight, cell.initial_state(2))
    expected, state = scan(cell.step, cell.project(inputs), cell.initial_state(2))
    torch.testing.assert_close((outputs, *after), (expected, *state))


def test_products_have_the_dtype_of_autocast_except_in_float64() -> None:
    assert product_dtype(torch.ones(1)) == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert product_dtype(torch.ones(1)) == torch.bfloat16
        assert product_dtype(torch.ones(1, dtype=torch.float64)) == torch.float64


def test_a_subclass_that_overrides_the_mathematics_has_no_known_equations() -> None:
    class Own(LSTM):
        def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Any) -> Any:
            return super().pointwise(2 * input_gates, recurrent_gates, state)

    class Stated(Own):
        equations = LSTM.equations

    class Renamed(LSTM):
        pass

    assert LSTM(3, 4).equations == Renamed(3, 4).equations == Stated(3, 4).equations == "lstm"
    assert Own(3, 4).equations is None
