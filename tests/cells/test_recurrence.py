"""Factored cells: compiled or not, packed or not, they compute one function."""

import warnings
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, strategies
from torch import Tensor

from seqforge.cells import product, product_dtype, recurrent_product
from seqforge.cells.product import _can_pack
from seqforge.interfaces import FactoredCell, scan


class Memory(NamedTuple):
    hidden: Tensor
    total: Tensor


class Leaky(FactoredCell[Memory]):
    """A cell with a parameter of its own, an output that is not its hidden state, and a second part of its state."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 2 * hidden_size)
        self.leak = self.uniform_parameter(hidden_size)

    def initial_state(self, batch_size: int) -> Memory:
        zeros = self.bias.new_zeros(batch_size, self.hidden_size)
        return Memory(zeros, zeros)

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        gate, candidate = (input_gates + recurrent_gates).chunk(2, dim=1)
        total = state.total * torch.sigmoid(self.leak) + torch.sigmoid(gate) * torch.tanh(candidate)
        return total.square(), Memory(torch.tanh(total), total)


def reading(cell: Leaky, inputs: Tensor, read: Any, precision: torch.dtype) -> list[Tensor]:
    """Outputs, last state, and gradients of a weighted sum of them."""
    state = Memory(*(part.requires_grad_() for part in cell.initial_state(inputs.shape[1])))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        outputs, after = read(inputs, state)
    found = [outputs, *after]
    generator = torch.Generator().manual_seed(0)
    total = torch.stack([(each.double() * torch.randn(each.shape, generator=generator)).sum() for each in found]).sum()
    return [each.detach() for each in found] + list(torch.autograd.grad(total, [*state, *cell.parameters()]))


@pytest.mark.parametrize(
    ("precision", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5), (torch.bfloat16, 0.03)]
)
@pytest.mark.parametrize("compile_it", [False, True], ids=["as written", "compiled"])
def test_a_sequence_is_the_scan_of_its_steps(compile_it: bool, precision: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(1)
    cell = Leaky(5, 11)
    inputs = torch.randint(5, (7, 3))
    if precision == torch.float64:
        cell = cell.double()
    if compile_it:
        cell.compile_pointwise()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # torch's compiler warns of its own parts
        found = reading(cell, inputs, cell, precision)
    assert cell._compiled_parts is None or len(cell._compiled_parts) == 1
    double = Leaky(5, 11).double()
    double.load_state_dict(cell.state_dict())
    expected = reading(double, inputs, lambda x, s: scan(double.step, double.project(x), s), torch.float64)
    for left, right in zip(found, expected, strict=True):
        assert (left.double() - right).norm() <= tolerance * (right.norm() + 0.1)


def test_a_pointwise_part_that_cannot_be_compiled_runs_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> Any:
        def refuse(*_: Any) -> Any:
            raise RuntimeError("no compiler\nand a long story")

        return refuse

    monkeypatch.setattr(torch, "compile", fail)
    cell, same = Leaky(4, 6), Leaky(4, 6)
    same.load_state_dict(cell.state_dict())
    cell.compile_pointwise()
    inputs = torch.randint(4, (5, 2))
    with pytest.warns(UserWarning, match="cannot be compiled, and runs as it is written: no compiler$"):
        found = reading(cell, inputs, cell, torch.float32)
    torch.testing.assert_close(found, reading(same, inputs, same, torch.float32))


def test_a_copy_of_a_compiled_cell_has_its_own_parameters() -> None:
    cell = Leaky(4, 6)
    cell.compile_pointwise()
    state = cell.initial_state(2)
    part = cell._pointwise_part(torch.float32, state)
    assert cell._pointwise_part(torch.float32, state) is part
    copy = Leaky(4, 6)
    copy._compiled_parts = cell._compiled_parts
    assert copy._pointwise_part(torch.float32, state).parameters[0] is copy.leak


@given(outputs=strategies.integers(1, 80), inputs=strategies.integers(1, 80), batch=strategies.integers(1, 9))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_packed_product_is_the_product(outputs: int, inputs: int, batch: int, dtype: torch.dtype) -> None:
    weight, rows = torch.randn(outputs, inputs), torch.randn(batch, inputs).to(dtype)
    found = recurrent_product(weight, dtype, batch)(rows)
    expected = rows.double() @ weight.to(dtype).double().t()
    tolerance = 0.02 if dtype == torch.bfloat16 else 1e-5
    assert found.dtype == dtype
    assert (found.double() - expected).norm() <= tolerance * (expected.norm() + 1)


@pytest.mark.parametrize("trouble", ["it is gone", "it is wrong"])
def test_without_torchs_private_operators_products_are_ordinary(trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def packed(weight: Tensor, batch_size: int) -> Any:
        if trouble == "it is gone":
            raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")
        return lambda rows: rows @ weight.t() + 1

    monkeypatch.setattr(product, "_packed_product", packed)
    _can_pack.cache_clear()
    try:
        weight, rows = torch.randn(6, 5), torch.randn(3, 5)
        torch.testing.assert_close(recurrent_product(weight, torch.float32, 3)(rows), rows @ weight.t())
    finally:
        _can_pack.cache_clear()


def test_products_are_in_autocasts_type_but_for_float64() -> None:
    assert product_dtype(torch.ones(1)) == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert product_dtype(torch.ones(1)) == torch.bfloat16
        assert product_dtype(torch.ones(1, dtype=torch.float64)) == torch.float64
