"""Cells whose hidden units exchange numbers within a step: by several products, or by reductions."""

from typing import ClassVar

import pytest
import torch
from seqforge_essentials.cells.gru import ResetBeforeGRU
from seqforge_essentials.cells.lstm import LayerNormLSTM
from seqforge_native.backend import NativeBackend
from seqforge_native.library import runnable_libraries
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import BackendContext, Cell, ElementwiseCell, FactoredCell, HiddenState
from seqforge.testing.backend_suite import SIZES, BackendSuite
from seqforge.testing.cell_case import CaseSizes

FLOAT32 = BackendContext(torch.device("cpu"), torch.float32)


class MGU(Cell[HiddenState]):
    """The minimal gated unit (Zhou et al. 2016) as a plain cell, with a further product by an untransposed weight."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.input_weight = nn.Parameter(torch.randn(2 * hidden_size, input_size) / 3)
        self.recurrent_weight = nn.Parameter(torch.randn(2 * hidden_size, hidden_size) / hidden_size**0.5)
        self.recurrent_weight_out = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)
        self.bias = nn.Parameter(torch.randn(2 * hidden_size) / 3)
        self.out_bias = nn.Parameter(torch.randn(hidden_size) / 3)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.bias.new_zeros(batch_size, self.hidden_size))

    def project(self, inputs: Tensor) -> Tensor:
        return functional.linear(inputs, self.input_weight, self.bias)

    def step(self, projected: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        h = state.hidden
        input_f, input_n = projected.chunk(2, dim=1)
        weight_f, weight_n = self.recurrent_weight.chunk(2)
        f = torch.sigmoid(input_f + h @ weight_f.t())
        n = torch.tanh(input_n + functional.linear(f * h, weight_n, self.out_bias))
        h = (1 - f) * h + f * n
        return torch.tanh(h @ self.recurrent_weight_out), HiddenState(h)


class NormalizedHeads(FactoredCell[HiddenState]):
    """Divides the hidden units of each head by their root mean square."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, hidden_size, heads=2)
        self.gain = self.uniform_parameter(hidden_size)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.bias.new_zeros(batch_size, self.hidden_size))

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        by_head = (input_gates + recurrent_gates).view(-1, self.heads, self.hidden_size // self.heads)
        by_head = by_head * torch.rsqrt(by_head.square().mean(-1, keepdim=True) + 0.01)
        h = torch.tanh(0.5 * state.hidden + self.gain * by_head.flatten(1))
        return h, HiddenState(h)


class ManyReductions(ElementwiseCell[HiddenState]):
    """Uses most of the supported reductions."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 3 * hidden_size)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.input_weight.new_zeros(batch_size, self.hidden_size))

    def pointwise(self, input_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        a, b, c = input_gates.chunk(3, dim=1)
        weights = torch.softmax(a + state.hidden, dim=1) - functional.log_softmax(b, dim=-1)
        scale = b.norm(dim=1, keepdim=True) + c.norm(p=1, dim=1, keepdim=True) + c.std(dim=1, keepdim=True)
        scale = scale + (input_gates.amax(1, keepdim=True) - input_gates.amin(1, keepdim=True))
        total = b.sum(1).unsqueeze(1) + a.logsumexp(1, keepdim=True)
        h = torch.tanh(c * weights / (1 + scale) + total / (2 + scale))
        return h.square(), HiddenState(h)


class TestProducts(BackendSuite):
    backend: ClassVar = NativeBackend
    cells: ClassVar = {"reset-before-gru": ResetBeforeGRU}
    dtypes: ClassVar = (torch.float32, torch.bfloat16)
    sizes: ClassVar = SIZES[:2]


class TestPlainCell(BackendSuite):
    backend: ClassVar = NativeBackend
    cells: ClassVar = {"mgu": MGU}
    dtypes: ClassVar = (torch.float32,)
    sizes: ClassVar = (CaseSizes(9, 20, 7, 40),)


class TestReductions(BackendSuite):
    backend: ClassVar = NativeBackend
    cells: ClassVar = {"layer-norm lstm": LayerNormLSTM}
    dtypes: ClassVar = (torch.float32,)
    sizes: ClassVar = (CaseSizes(9, 20, 37, 37),)


class TestFurtherReductions(TestReductions):
    cells: ClassVar = {"normalized heads": NormalizedHeads, "many reductions": ManyReductions}
    sizes: ClassVar = (CaseSizes(9, 20, 4, 4),)


def test_the_number_of_threads_changes_nothing() -> None:
    torch.manual_seed(0)
    cell = LayerNormLSTM(37, 37)
    if (reason := NativeBackend().unsupported(cell, FLOAT32)) is not None:
        pytest.skip(reason)
    read, inputs, weights = NativeBackend().sequence_function(cell, FLOAT32), torch.randn(5, 7, 37), torch.randn(37)
    threads = torch.get_num_threads()
    found: list[tuple[Tensor, ...]] = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            outputs, _ = read(inputs, cell.initial_state(7))
            found.append((outputs, *torch.autograd.grad((outputs * weights).sum(), list(cell.parameters()))))
    finally:
        torch.set_num_threads(threads)
    for left, right in zip(*found, strict=True):
        torch.testing.assert_close(left, right)


class OwnPart(FactoredCell[HiddenState]):
    """A cell whose subclasses define a part of the step."""

    def __init__(self, input_size: int, hidden_size: int, heads: int = 2) -> None:
        super().__init__(input_size, hidden_size, hidden_size, heads=heads)
        self.recurrent_weight_wide = self.uniform_parameter(hidden_size, 2 * hidden_size)
        self.recurrent_weight_square = self.uniform_parameter(hidden_size, hidden_size)
        self.temperature = nn.Parameter(torch.ones(1))

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.bias.new_zeros(batch_size, self.hidden_size))

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        h = torch.tanh(self.change(input_gates + recurrent_gates))
        return h, HiddenState(h)

    def change(self, gates: Tensor) -> Tensor:
        raise NotImplementedError


class OverAllHeads(OwnPart):
    def change(self, gates: Tensor) -> Tensor:
        return gates - gates.mean(dim=1, keepdim=True)


class BetweenHeads(OwnPart):
    def change(self, gates: Tensor) -> Tensor:
        return gates - gates.view(len(gates), self.heads, -1).sum(dim=1).repeat(1, self.heads)


class ProductOfHeads(OwnPart):
    def change(self, gates: Tensor) -> Tensor:
        return gates @ self.recurrent_weight_square.t()


class WideWeight(OwnPart):
    def change(self, gates: Tensor) -> Tensor:
        return (gates @ self.recurrent_weight_wide)[:, : self.hidden_size]


class OneNumber(OwnPart):
    def change(self, gates: Tensor) -> Tensor:
        return gates * self.temperature


class PartsOfWeight(OwnPart):
    """Multiplies by slices of a weight, in the middle of its rows and of its columns, and uses one as a vector."""

    def change(self, gates: Tensor) -> Tensor:
        left, right = self.recurrent_weight_wide.narrow(-1, 1, self.hidden_size), self.recurrent_weight_wide[1:3]
        return gates @ left + (gates[:, :2] @ right)[:, self.hidden_size :] + gates * left[0]


class PartsOfComputedWeight(OwnPart):
    """Multiplies by parts of a weight that is computed: their gradients are added to parts of one tensor."""

    def change(self, gates: Tensor) -> Tensor:
        left, right = (self.recurrent_weight_wide * 2).chunk(2, dim=1)
        return gates @ left + torch.tanh(gates @ right)


class ProductsOfOneNumber(OwnPart):
    """Multiplies each number by a row, as in a bottleneck of one unit, and joins the products."""

    def change(self, gates: Tensor) -> Tensor:
        column = gates.reshape(-1, 1)
        rows = [column @ self.recurrent_weight_wide[:1], column @ self.recurrent_weight_square[1:2]]
        return torch.cat(rows, dim=-1).view(len(gates), self.hidden_size, -1).mean(-1)


class Reversed(OwnPart):
    """Shifts the hidden units, as no kernel for single units could."""

    def change(self, gates: Tensor) -> Tensor:
        return torch.cat([gates[:, 1:], gates[:, :1]], 1) * gates


class TestOtherParts(BackendSuite):
    backend: ClassVar = NativeBackend
    cells: ClassVar = {
        kind.__name__: kind
        for kind in (
            OverAllHeads,
            BetweenHeads,
            ProductOfHeads,
            WideWeight,
            OneNumber,
            PartsOfWeight,
            PartsOfComputedWeight,
            ProductsOfOneNumber,
            Reversed,
        )
    }
    dtypes: ClassVar = (torch.float32,)
    sizes: ClassVar = (CaseSizes(9, 20, 4, 4),)


@pytest.mark.skipif(not runnable_libraries(), reason="no kernels were built for this processor")
@pytest.mark.parametrize("suite", [TestProducts, TestPlainCell, TestReductions, TestFurtherReductions, TestOtherParts])
def test_no_cell_of_a_suite_is_skipped(suite: type[BackendSuite]) -> None:
    for name, new_cell in suite.cells.items():
        assert NativeBackend().unsupported(new_cell(3, 4), FLOAT32) is None, name


class ChangedWeight(OwnPart):
    def change(self, gates: Tensor) -> Tensor:
        return gates @ (self.recurrent_weight_square * 2)


class ProductOfRows(OwnPart):
    def change(self, gates: Tensor) -> Tensor:
        return gates @ gates.t() @ gates


def test_a_product_with_a_computed_weight_is_computed_in_each_row() -> None:
    cell, inputs = ChangedWeight(3, 4), torch.randn(2, 5, 3)
    found, _ = NativeBackend().sequence_function(cell, FLOAT32)(inputs, cell.initial_state(5))
    torch.testing.assert_close(found, cell(inputs, cell.initial_state(5))[0])


def test_a_step_that_reads_other_rows_is_refused() -> None:
    found = str(NativeBackend().unsupported(ProductOfRows(3, 4), FLOAT32))
    assert found == "no kernel can compute its step: it contains numbers of other rows of the batch"
