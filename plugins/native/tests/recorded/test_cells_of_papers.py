"""Cells as in their papers: without a recurrent product, with heads, masks or stabilized exponents."""

import copy
from functools import partial
from typing import ClassVar, NamedTuple

import pytest
import torch
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.slstm import SLSTM
from seqforge_native.backend import NativeBackend
from seqforge_native.inductor import InductorBackend
from seqforge_native.library import runnable_libraries
from seqforge_parallel_cells.cells import MinGRU, MinLSTM
from seqforge_parallel_cells.ind_rnn import IndRNN
from seqforge_parallel_cells.sru import SRU
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import BackendContext, ElementwiseCell, FactoredCell, scan
from seqforge.testing.backend_suite import SIZES, BackendSuite
from seqforge.testing.cell_suite import CellSuite

FLOAT32 = BackendContext(torch.device("cpu"), torch.float32)


class Hidden(NamedTuple):
    hidden: Tensor


class Clockwork(FactoredCell[Hidden]):
    """A recurrent network of two groups, in which the slow one does not read the fast one (Koutník et al. 2014)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, hidden_size)
        slow = torch.arange(hidden_size) < hidden_size // 2
        self.register_buffer("mask", (slow[None, :] | ~slow[:, None]).float())
        self.register_buffer("rate", torch.linspace(0.1, 1, hidden_size))
        self.register_buffer("negated", torch.arange(hidden_size) % 2 == 0)

    def initial_state(self, batch_size: int) -> Hidden:
        return Hidden(self.input_weight.new_zeros(batch_size, self.hidden_size))

    def recurrent_matrix(self) -> Tensor:
        return self.recurrent_weight * self.get_buffer("mask")

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Hidden) -> tuple[Tensor, Hidden]:
        total = input_gates + recurrent_gates
        new = torch.tanh(torch.where(self.get_buffer("negated"), -total, total))
        h = state.hidden + self.get_buffer("rate") * (new - state.hidden)
        return h, Hidden(h)


class Logarithms(ElementwiseCell[Hidden]):
    """Uses the logarithm and the functions that consist of it, over a large range of numbers."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 3 * hidden_size, bias=False)

    def initial_state(self, batch_size: int) -> Hidden:
        return Hidden(self.input_weight.new_zeros(batch_size, self.hidden_size))

    def pointwise(self, input_gates: Tensor, state: Hidden) -> tuple[Tensor, Hidden]:
        a, b, c = (30 * input_gates).chunk(3, dim=1)
        small = torch.log1p(torch.exp(a.clamp(max=5) - 8)) + torch.log(0.01 + b.square())
        large = functional.softplus(c) + functional.logsigmoid(b) + torch.log1p(c.abs())
        h = 0.5 * state.hidden + 0.01 * small + torch.tanh(0.1 * large)
        return h, Hidden(h)


class TwoOutputs(ElementwiseCell[Hidden]):
    """Returns another tensor than its state, whose first part it ignores, and projects its inputs in its own way."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 2 * hidden_size)

    def initial_state(self, batch_size: int) -> Hidden:
        return Hidden(self.input_weight.new_zeros(batch_size, self.hidden_size))

    def project(self, inputs: Tensor) -> Tensor:
        return torch.tanh(super().project(inputs))

    def pointwise(self, input_gates: Tensor, state: Hidden) -> tuple[Tensor, Hidden]:
        a, b = input_gates.chunk(2, dim=1)
        return a * b, Hidden(a)


def heads_of_three(input_size: int, hidden_size: int) -> SLSTM:
    return SLSTM(input_size, hidden_size + -hidden_size % 3, heads=3)


def equal_sizes(input_size: int, hidden_size: int) -> SRU:
    return SRU(hidden_size, hidden_size)


class TestCells(CellSuite):
    cells: ClassVar = {
        "slstm, heads": heads_of_three,
        "clockwork": Clockwork,
        "two outputs": TwoOutputs,
    }
    expected_failures: ClassVar = {
        "test_only_the_state_and_earlier_steps_matter[two outputs]": "A kernel may have a state that no result needs."
    }


class TestSmooth(BackendSuite):
    backend: ClassVar = NativeBackend
    cells: ClassVar = {
        "ind-rnn": partial(IndRNN, nonlinearity="tanh"),
        "sru": SRU,
        "sru, equal sizes": equal_sizes,
        "clockwork": Clockwork,
        "two outputs": TwoOutputs,
    }
    dtypes: ClassVar = (torch.float32, torch.bfloat16)
    sizes: ClassVar = SIZES[:2]


class TestNotSmooth(BackendSuite):
    """The outputs of an sLSTM are smooth, but its states are not, because all depend on the maximum."""

    backend: ClassVar = NativeBackend
    cells: ClassVar = {
        "ind-rnn": IndRNN,
        "min-gru": MinGRU,
        "min-lstm": MinLSTM,
        "logarithms": Logarithms,
        "slstm, heads": heads_of_three,
    }
    dtypes: ClassVar = (torch.float32,)
    sizes: ClassVar = SIZES[:2]


@pytest.mark.skipif(not runnable_libraries(), reason="no kernels were built for this processor")
@pytest.mark.parametrize("suite", [TestSmooth, TestNotSmooth])
def test_no_cell_of_a_suite_is_skipped(suite: type[BackendSuite]) -> None:
    for name, new_cell in suite.cells.items():
        assert NativeBackend().unsupported(new_cell(3, 4), FLOAT32) is None, name


def test_heads_that_do_not_divide_the_hidden_units_are_an_error() -> None:
    with pytest.raises(ValueError, match="heads = 3 does not divide hidden_size = 8"):
        SLSTM(3, 8, heads=3)


def test_the_recurrent_matrix_of_heads_is_block_diagonal() -> None:
    cell = SLSTM(3, 6, heads=2)
    matrix = cell.recurrent_matrix()
    assert matrix.shape == (24, 6)
    for gate, block in zip(matrix.split(6), cell.recurrent_weight.split(6), strict=True):
        assert torch.equal(gate[:3, :3], block[:3])
        assert torch.equal(gate[3:, 3:], block[3:])
        assert not gate[:3, 3:].any()
        assert not gate[3:, :3].any()


class LowRank(LSTM):
    """An LSTM whose recurrent matrix is the product of two."""

    equations = "lstm"

    def __init__(self, input_size: int, hidden_size: int, rows: int) -> None:
        super().__init__(input_size, hidden_size)
        self.recurrent_weight = nn.Parameter(torch.randn(rows, 3))
        self.second = nn.Parameter(torch.randn(3, hidden_size))

    def recurrent_matrix(self) -> Tensor:
        return self.recurrent_weight @ self.second


def test_a_recurrent_matrix_may_have_another_type_but_no_other_shape() -> None:
    context = BackendContext(torch.device("cpu"), torch.bfloat16)
    cell, wrong = LowRank(4, 8, 32), LowRank(4, 8, 8)
    if (reason := NativeBackend().unsupported(cell, context)) is not None:
        pytest.skip(reason)
    inputs = torch.randn(5, 3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = NativeBackend().sequence_function(cell, context)(inputs, cell.initial_state(3))
        with pytest.raises(ValueError, match="the matrix U"):
            NativeBackend().sequence_function(wrong, context)(inputs, wrong.initial_state(3))
    double = copy.deepcopy(cell).double()
    expected, _ = scan(double.step, double.project(inputs.double()), double.initial_state(3))
    torch.testing.assert_close(found.double(), expected, rtol=0.05, atol=0.05)


def test_the_outputs_of_an_slstm_are_accurate_in_bfloat16() -> None:
    torch.manual_seed(0)
    cell, context = SLSTM(9, 24, heads=4), BackendContext(torch.device("cpu"), torch.bfloat16)
    if (reason := NativeBackend().unsupported(cell, context)) is not None:
        pytest.skip(reason)
    double, inputs, weights = copy.deepcopy(cell).double(), torch.randn(8, 5, 9), torch.randn(8, 5, 24)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, _ = NativeBackend().sequence_function(cell, context)(inputs, cell.initial_state(5))
    expected, _ = scan(double.step, double.project(inputs.double()), double.initial_state(5))
    found = torch.autograd.grad((outputs.float() * weights).sum(), list(cell.parameters()))
    exact = torch.autograd.grad((expected * weights).sum(), list(double.parameters()))
    for one, other in zip((outputs, *found), (expected, *exact), strict=True):
        assert (one.double() - other).norm() <= 0.02 * other.norm()


def test_a_stabilized_exponent_does_not_overflow() -> None:
    cell = SLSTM(2, 5)
    with torch.no_grad():
        cell.bias.view(4, 5)[1] = 200.0  # exp(200) is not a number in float32
    if (reason := NativeBackend().unsupported(cell, FLOAT32)) is not None:
        pytest.skip(reason)
    outputs, state = NativeBackend().sequence_function(cell, FLOAT32)(torch.randn(6, 2, 2), cell.initial_state(2))
    assert outputs.isfinite().all()
    assert all(part.isfinite().all() for part in state)


class BothLogarithms(NamedTuple):
    of_number: Tensor
    of_one_plus: Tensor


class Logarithm(ElementwiseCell[BothLogarithms]):
    """Computes ln x and ln(1 + x) of its input."""

    def __init__(self) -> None:
        super().__init__(1, 1, 1, bias=False)
        torch.nn.init.ones_(self.input_weight)

    def initial_state(self, batch_size: int) -> BothLogarithms:
        zeros = self.input_weight.new_zeros(batch_size, 1)
        return BothLogarithms(zeros, zeros)

    def pointwise(self, input_gates: Tensor, state: BothLogarithms) -> tuple[Tensor, BothLogarithms]:
        after = BothLogarithms(torch.log(input_gates), torch.log1p(input_gates))
        return after.of_number, after


def test_logarithms_are_accurate_and_have_the_limits_of_torch() -> None:
    cell = Logarithm()
    if (reason := NativeBackend().unsupported(cell, FLOAT32)) is not None:
        pytest.skip(reason)
    limits = torch.tensor([0.0, -0.0, -1.0, -2.0, torch.inf, torch.nan, 1e-8, -1e-8, -0.4, 1.0])
    numbers = torch.cat([limits, torch.logspace(-37, 38, 3000), 1 + torch.linspace(-0.5, 0.5, 3000)])
    with torch.no_grad():
        _, found = NativeBackend().sequence_function(cell, FLOAT32)(
            numbers.view(1, -1, 1), cell.initial_state(len(numbers))
        )
    expected = (torch.log(numbers.double()), torch.log1p(numbers.double()))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.flatten().double(), other, rtol=3e-7, atol=2e-8, equal_nan=True)


def test_inductor_refuses_a_cell_without_a_recurrent_product() -> None:
    assert InductorBackend().unsupported(IndRNN(3, 4), FLOAT32) == "IndRNN is not a FactoredCell"
