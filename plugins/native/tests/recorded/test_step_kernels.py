"""Kernels that interpret the program of a step, against the plain cells in float64."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import Phase, given, settings, strategies
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN
from seqforge_native.library import Library, runnable_libraries
from seqforge_native.recurrent_cells import StepKernel, read_with_programs
from seqforge_native.row_programs.step_program import compile_step
from torch import Tensor, nn

from seqforge.kinds import FactoredCell, SequenceFunction, scan

LIBRARIES = runnable_libraries()
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 0.03}

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="there are no kernels for this processor")


class Memory(NamedTuple):
    hidden: Tensor
    total: Tensor


class TwoParts(FactoredCell[Memory]):
    """A cell with a state of two parts. A subclass defines the number of gates and the elementwise part."""

    gates = 2

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, self.gates * hidden_size)
        self.leak = nn.Parameter(torch.empty(hidden_size).uniform_(1, 2))
        self.scales = self.uniform_parameter(2 * hidden_size)

    def initial_state(self, batch_size: int) -> Memory:
        zeros = self.bias.new_zeros(batch_size, self.hidden_size)
        return Memory(zeros, zeros)


class Leaky(TwoParts):
    """Has parameters in the elementwise part, one of them two gates wide, and returns another tensor than its state."""

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        gate, candidate = (input_gates + recurrent_gates * self.scales).chunk(2, dim=1)
        total = state.total * torch.sigmoid(self.leak) + torch.sigmoid(gate) * torch.tanh(candidate)
        return total.square(), Memory(torch.tanh(total), total)


class ManyOperations(TwoParts):
    """Uses many of the supported operations."""

    gates = 5

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        a, b, c, d, e = (recurrent_gates + input_gates).split(self.hidden_size, dim=1)
        tail = input_gates[:, 3 * self.hidden_size :]
        d, e = torch.addcmul(torch.cat([d, e], 1), tail, tail, value=0.1).chunk(2, 1)
        total = torch.exp(-torch.relu(a)) * state.total + 0.3 * b.clamp(-1, 1).clamp_max(0.9).clamp_min(-0.8)
        ratio = 1 / (0.5 + state.hidden.square() + torch.sqrt(1 + c**2))
        chosen = torch.where(d > 0.1, d, 2 * e)
        hidden = torch.maximum(torch.minimum(total * ratio, chosen), -torch.nn.functional.silu(total) - 1)
        return hidden, Memory(hidden, total - self.leak.unsqueeze(0) / 2)


class OneGate(TwoParts):
    """Has one gate, so that a tile holds several units; uses the hidden state directly; computes 0 / 0 in padding."""

    gates = 1

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        hidden = 0.5 * state.hidden + torch.tanh((input_gates + recurrent_gates * state.total) / self.leak)
        return hidden, Memory(hidden, 0.9 * state.total + 0.1)


class StoredHidden(TwoParts):
    """Reads the hidden state only in an operation whose result is stored for the backward pass."""

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        gate, candidate = (input_gates + recurrent_gates).chunk(2, dim=1)
        hidden = torch.sigmoid(gate) * candidate + torch.tanh(state.hidden) / 2
        return hidden, Memory(hidden, state.total)


class OwnProjection(Leaky):
    def project(self, inputs: Tensor) -> Tensor:
        return super().project(inputs) * 2


CELLS: dict[str, Callable[[int, int], FactoredCell[Any]]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
    "leaky": Leaky,
    "many operations": ManyOperations,
    "one gate": OneGate,
    "stored hidden": StoredHidden,
    "own projection": OwnProjection,
}


def kernel_for(
    cell: FactoredCell[Any], library: Library | None = None, dtype: torch.dtype = torch.float32
) -> SequenceFunction:
    """Return the kernel that interprets programs, even for a cell that has a built-in kernel."""
    return partial(read_with_programs, cell, StepKernel(library or LIBRARIES[0], compile_step(cell)), dtype)


def results(cell: FactoredCell[Any], inputs: Tensor, state: Any, read: Callable[..., Any]) -> list[Tensor]:
    """Return the outputs, the last state, and the gradients of a weighted sum of them."""
    leaves = [part.to(cell.input_weight.dtype).requires_grad_() for part in state]
    if inputs.is_floating_point():
        inputs = inputs.to(cell.input_weight.dtype).requires_grad_()
        leaves.append(inputs)
    outputs, after = read(inputs, type(state)(*leaves[: len(state)]))
    generator = torch.Generator().manual_seed(1)
    found = [outputs, *after]
    total = torch.stack([(each.double() * torch.randn(each.shape, generator=generator)).sum() for each in found]).sum()
    gradients = torch.autograd.grad(total, [*leaves, *cell.parameters()], allow_unused=True, materialize_grads=True)
    return [each.detach() for each in (*found, *gradients)]


def plain_results(cell: FactoredCell[Any], inputs: Tensor, state: Any) -> list[Tensor]:
    double = copy.deepcopy(cell).double()
    return results(double, inputs, state, lambda x, s: scan(double.step, double.project(x), s))


@pytest.mark.parametrize("library", LIBRARIES, ids=[library.name for library in LIBRARIES])
@pytest.mark.parametrize("dtype", list(TOLERANCES), ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", list(CELLS))
@settings(
    max_examples=8,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
)
@given(data=strategies.data())
def test_a_kernel_equals_the_cell(
    data: strategies.DataObject,
    name: str,
    dtype: torch.dtype,
    library: Library,
) -> None:
    if ("row_sequence", dtype) not in library.functions:
        pytest.skip(f"{library.name} has no products in bfloat16")
    if dtype == torch.bfloat16 and name == "many operations":
        pytest.skip("it is discontinuous, so that rounding may change the result")
    time, batch, input_size = (data.draw(strategies.integers(1, most)) for most in (9, 20, 9))
    torch.manual_seed(data.draw(strategies.integers(0, 999)))
    cell = CELLS[name](input_size, data.draw(strategies.integers(1, 70)))
    read = kernel_for(cell, library, dtype)
    state = type(cell.initial_state(1))(*(torch.randn_like(part) / 2 for part in cell.initial_state(batch)))
    symbols = data.draw(strategies.booleans())
    inputs = torch.randint(input_size, (time, batch)) if symbols else torch.randn(time, batch, input_size)

    def read_fast(inputs: Tensor, state: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            return read(inputs, state)

    fast = results(cell, inputs, state, read_fast)
    assert fast[0].dtype == dtype
    assert all(part.dtype == torch.float32 for part in fast[1 : 1 + len(state)])
    compared = zip(fast, plain_results(cell, inputs, state), strict=True)
    first_parameter = 1 + 2 * len(state) + (not symbols)
    for index, (found, expected) in enumerate(compared):
        distance = (found.double() - expected).norm()
        # Sums over steps and rows may be small, but their rounding errors are those of their terms.
        size = 0.5 if index < first_parameter else max(0.5, 0.1 * (time * batch) ** 0.5)
        scale = expected.norm() + size * expected.numel() ** 0.5
        assert distance <= TOLERANCES[dtype] * scale, f"result {index} is off by {distance}"


class GateAsOutput(TwoParts):
    """Returns one side of a gate whose sides it adds."""

    gates = 1

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        return recurrent_gates, Memory(torch.tanh(input_gates + recurrent_gates), state.total)


def test_an_output_may_be_a_side_of_a_gate() -> None:
    cell = GateAsOutput(5, 6)
    inputs, state = torch.randn(3, 2, 5), cell.initial_state(2)
    outputs, _ = kernel_for(cell)(inputs, state)
    torch.testing.assert_close(outputs, cell(inputs, state)[0])


def test_the_number_of_threads_changes_nothing() -> None:
    torch.manual_seed(0)
    cell = Leaky(5, 40)
    read = kernel_for(cell)
    inputs, state = torch.randint(5, (6, 13)), Memory(torch.randn(13, 40), torch.randn(13, 40))
    threads = torch.get_num_threads()
    found: list[list[Tensor]] = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(results(cell, inputs, state, read))
    finally:
        torch.set_num_threads(threads)
    for left, right in zip(*found, strict=True):
        torch.testing.assert_close(left, right)


def test_nan_stays_in_its_row() -> None:
    cell = ManyOperations(5, 20)
    inputs = torch.randn(4, 3, 5)
    inputs[1, 1, 2] = torch.nan
    read = kernel_for(cell)
    outputs, _ = read(inputs, cell.initial_state(3))
    assert outputs[1:, 1].isnan().all()
    assert outputs[:, [0, 2]].isfinite().all()
