"""The kernel of matrix states against the definition of the recurrence, for every rule, size and instruction set."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_parts import RULES, make_parts
from seqforge_matrix_cells.gated_deltanet import GatedDeltaNet
from seqforge_matrix_cells.gla import GLA
from seqforge_matrix_cells.hgrn import HGRN2
from seqforge_matrix_cells.mamba import Mamba2
from seqforge_matrix_cells.mlstm import MLSTM
from seqforge_matrix_cells.rwkv import RWKV7
from seqforge_native.backend import NativeBackend
from seqforge_native.library import Library, best_library, runnable_libraries
from seqforge_native.matrix_cells import MatrixCellKernel, read_matrix_cell
from seqforge_native.row_programs.matrix_program import compile_programs
from torch import Tensor

from seqforge.kinds import BackendContext, MatrixState, MatrixStateCell, Parts, SequenceFunction, map_state
from seqforge.matrix_states import read_steps

# A rate of 1 with a single key erases the state: gradients are exactly 0, and leave no scale for an error of float32.
RATES = (0.0, 0.3, 0.9, 1.7, 2.0)
LIBRARIES = {library.name: library for library in runnable_libraries()}
Recurrence = Callable[[Parts, Tensor], tuple[Tensor, Tensor]]

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="no kernels were built for this processor")


class Given(MatrixStateCell[MatrixState]):
    """A cell whose inputs are the parts of the recurrence, and whose outputs are what its queries read."""

    def __init__(self, parts: Parts) -> None:
        features = [1 if part is None else part[0, 0].numel() for part in parts]
        heads, keys = parts.key.shape[2:]
        super().__init__(sum(features), features[2], features, heads=heads, key_size=keys)
        self.shapes = [None if part is None else part.shape[2:] for part in parts]

    def project(self, inputs: Tensor) -> Tensor:
        return inputs

    def parts(self, projected: Tensor) -> Parts:
        pairs = zip(self.split(projected), self.shapes, strict=True)
        return Parts(*(None if shape is None else part.unflatten(-1, shape) for part, shape in pairs))

    def readout(self, reads: Tensor, parts: Parts, projected: Tensor) -> Tensor:
        return reads.flatten(-2)


def kernel_of(library: Library, cell: MatrixStateCell[Any]) -> MatrixCellKernel:
    return MatrixCellKernel(library, compile_programs(cell), cell.hidden_size)


def on_kernel(library: Library) -> Recurrence:
    """Return the recurrence on a kernel."""

    def run(parts: Parts, state: Tensor) -> tuple[Tensor, Tensor]:
        cell = Given(parts)
        nothing = parts.key.new_zeros(*parts.key.shape[:2], 1)
        inputs = torch.cat([nothing if part is None else part.flatten(2) for part in parts], -1)
        outputs, after = read_matrix_cell(cell, kernel_of(library, cell), inputs, MatrixState(state))
        return outputs.unflatten(-1, state.shape[1::2]), after.memory

    return run


def results_of(recurrence: Recurrence, parts: Parts, state: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Return the outputs, the state after the last step, and the gradients of all inputs, in float64."""
    given_parts = parts.map(lambda part: part.to(dtype).requires_grad_())
    state = state.to(dtype).requires_grad_()
    outputs, after = recurrence(given_parts, state)
    loss = outputs.double().square().sum() + after.double().sin().sum()
    gradients = torch.autograd.grad(loss, [*(part for part in given_parts if part is not None), state])
    return [result.detach().double() for result in (outputs, after, *gradients)]


@pytest.mark.parametrize("name", LIBRARIES)
@settings(deadline=None, max_examples=15)
@given(
    rule=st.sampled_from(RULES),
    steps=st.sampled_from([1, 2, 15, 16, 17, 33]),
    rows=st.integers(1, 3),
    sizes=st.sampled_from([(1, 1), (5, 3), (16, 16), (64, 64), (24, 40), (128, 17), (3, 128)]),
    seed=st.integers(0, 1000),
)
def test_a_kernel_computes_the_recurrence_and_its_gradients(
    name: str, rule: str, steps: int, rows: int, sizes: tuple[int, int], seed: int
):
    parts = make_parts(rule, (steps, rows, 3), sizes, seed=seed, rates=RATES)
    state = torch.randn(rows, 3, *sizes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    exact = results_of(read_steps, parts, state, torch.float64)
    plain = results_of(read_steps, parts, state, torch.float32)
    for expected, torch_result, found in zip(
        exact, plain, results_of(on_kernel(LIBRARIES[name]), parts, state, torch.float32), strict=True
    ):
        largest = float(expected.abs().max()) + 1e-6
        allowed = 4 * float((torch_result - expected).abs().max()) + 1e-5 * largest
        assert float((found - expected).abs().max()) <= allowed


@pytest.mark.parametrize("rule", RULES)
def test_an_emulated_processor_computes_the_same(rule: str, kernels: Library):
    parts = make_parts(rule, (18, 2, 3), (24, 40), seed=1)
    state = torch.randn(2, 3, 24, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = results_of(read_steps, parts, state, torch.float64)
    found = results_of(on_kernel(kernels), parts, state, torch.float32)
    for exact, result in zip(expected, found, strict=True):
        torch.testing.assert_close(result, exact, rtol=1e-4, atol=1e-5 * float(exact.abs().max()))


def test_threads_do_not_change_the_results():
    library = best_library()
    assert library is not None
    parts = make_parts("gated delta", (40, 5, 3), (16, 16), seed=0).map(lambda part: part.float())
    state, threads = torch.zeros(5, 3, 16, 16), torch.get_num_threads()
    results: list[Tensor] = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(on_kernel(library)(parts, state)[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_a_state_stays_finite_in_a_long_sequence():
    library = best_library()
    assert library is not None
    with torch.no_grad():
        parts = make_parts("gated delta", (2000, 1, 3), (16, 16), seed=0).map(lambda part: part.float())
        state = torch.zeros(1, 3, 16, 16)
        for _ in range(50):
            outputs, state = on_kernel(library)(parts, state)
    assert torch.isfinite(outputs).all()
    assert torch.isfinite(state).all()


CELLS: dict[str, Callable[[], MatrixStateCell[Any]]] = {
    "gla": lambda: GLA(7, 12, heads=2, key_size=3),
    "gated-deltanet": lambda: GatedDeltaNet(7, 12, heads=2, key_size=5),
    "hgrn-2": lambda: HGRN2(7, 12, heads=3, key_size=4, lower_bound=0.5),
    "mamba-2": lambda: Mamba2(7, 12, heads=2, key_size=20),
    "mlstm": lambda: MLSTM(7, 12, heads=2, key_size=3),
    "rwkv-7": lambda: RWKV7(7, 12, heads=2, bottleneck_size=3),
}


@pytest.mark.parametrize("cell_name", CELLS)
def test_a_kernel_computes_a_cell_and_its_gradients(cell_name: str, kernels: Library):
    torch.manual_seed(0)
    cell = CELLS[cell_name]()
    inputs, state = torch.randn(35, 3, 7), map_state(torch.randn_like, cell.initial_state(3))
    if cell_name == "mlstm":
        state = state._replace(stabilizer=state.stabilizer.abs())
    kernel, double = kernel_of(kernels, cell), copy.deepcopy(cell).double()
    found = gradients_of(partial(read_matrix_cell, cell, kernel), cell, inputs, state)
    plain = gradients_of(cell.forward, cell, inputs, state)
    exact = gradients_of(double.forward, double, inputs.double(), map_state(Tensor.double, state))
    for one, other, expected in zip(found, plain, exact, strict=True):
        allowed = 8 * float((other - expected).abs().max()) + 2e-6 * float(expected.abs().max())
        assert float((one - expected).abs().max()) <= allowed


def gradients_of(read: SequenceFunction, cell: MatrixStateCell[Any], inputs: Tensor, state: Any) -> list[Tensor]:
    """Return the outputs, the state after the last step, and all gradients, in float64."""
    inputs, state = inputs.clone().requires_grad_(), map_state(lambda part: part.clone().requires_grad_(), state)
    outputs, after = read(inputs, state)
    loss = outputs.double().square().sum() + sum(part.double().sin().sum() for part in after)
    gradients = torch.autograd.grad(loss, [inputs, *state, *cell.parameters()])
    return [result.detach().double() for result in (outputs, *after, *gradients)]


@pytest.mark.parametrize("cell_name", CELLS)
def test_only_the_projection_is_rounded_to_bfloat16(cell_name: str):
    torch.manual_seed(0)
    cell, context = CELLS[cell_name](), BackendContext(torch.device("cpu"), torch.bfloat16)
    if (reason := NativeBackend().unsupported(cell, context)) is not None:
        pytest.skip(reason)
    inputs, state = torch.randn(20, 2, 7), cell.initial_state(2)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients_of(NativeBackend().sequence_function(cell, context), cell, inputs, state)
        plain = gradients_of(cell.forward, cell, inputs, state)
    for one, other in zip(found, plain, strict=True):
        # Gradients of the projection are rounded after different additions.
        torch.testing.assert_close(one, other, rtol=2e-2, atol=1e-2 * float(other.abs().max()))


def test_a_long_sequence_is_mixed_in_segments(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    cell, context, lengths = CELLS["mlstm"](), BackendContext(torch.device("cpu"), torch.float32), list[int]()

    def mix_steps(projected: Tensor, state: Any) -> Any:
        lengths.append(len(projected))
        return type(cell).mix_steps(cell, projected, state)

    read = NativeBackend().sequence_function(cell, context)
    monkeypatch.setattr(cell, "mix_steps", mix_steps)
    inputs = torch.randn(600, 2, 7)
    outputs, _ = read(inputs, cell.initial_state(2))
    assert lengths == [256, 256, 88]
    torch.testing.assert_close(outputs, cell(inputs, cell.initial_state(2))[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("rows", "device", "dtype", "message"),
    [
        (2, "cpu", torch.float32, r"the shape \(2, 2, 3, 6\) on cpu; .* must be \(3, 2, 3, 6\) on cpu"),
        (3, "meta", torch.float32, r"on meta; .* on cpu"),
        (3, "cpu", torch.float64, "a state in float64; it must be in float32"),
    ],
)
def test_a_state_that_the_kernel_cannot_read_is_an_error(rows: int, device: str, dtype: torch.dtype, message: str):
    cell, context = CELLS["gla"](), BackendContext(torch.device("cpu"), torch.float32)
    state = map_state(lambda part: part.to(device, dtype), cell.initial_state(rows))
    with pytest.raises(ValueError, match=message):
        NativeBackend().sequence_function(cell, context)(torch.randn(4, 3, 7), state)


def test_a_cell_that_advances_in_its_own_way_is_refused():
    class Own(GLA):
        def advance(self, projected: Tensor, state: MatrixState, recurrence: Any) -> tuple[Tensor, MatrixState]:
            return super().advance(projected, state, recurrence)

    reason = NativeBackend().unsupported(Own(7, 12), BackendContext(torch.device("cpu"), torch.float32))
    assert reason == "no kernel can compute its step: it contains a computation of several steps of its own"
