"""The kernel of matrix states against the definition of the recurrence, for every rule, size and instruction set."""

import math
from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_native.backend import NativeBackend
from seqforge_native.library import Library, best_library, runnable_libraries
from seqforge_native.matrix_states import run_matrix_states
from torch import Tensor
from torch.nn import functional

from seqforge.kinds import BackendContext, MatrixState, MatrixStateCell, Parts
from seqforge.matrix_states import delta_rule, read_steps

RULES = ("linear", "gated", "gated by keys", "delta", "gated delta", "gated delta by keys", "general")
LIBRARIES = {library.name: library for library in runnable_libraries()}
DECAYS = (0.0, -1e-9, -0.1, -3.0, -60.0, -1e4)
Recurrence = Callable[[Parts, Tensor], tuple[Tensor, Tensor]]

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="no kernels were built for this processor")


def make_parts(rule: str, steps: int, rows: int, sizes: tuple[int, int], seed: int) -> Parts:
    generator = torch.Generator().manual_seed(seed)
    keys, values = sizes

    def draw(*shape: int) -> Tensor:
        return torch.randn(steps, rows, 3, *shape, generator=generator, dtype=torch.float64) / math.sqrt(keys)

    shape = (keys,) if rule.endswith("keys") or rule == "general" else ()
    index = torch.randint(len(DECAYS), (steps, rows, 3, *shape), generator=generator)
    log_decay = None if rule in ("linear", "delta") else torch.tensor(DECAYS, dtype=torch.float64)[index]
    parts = Parts(draw(keys), functional.normalize(draw(keys), dim=-1), draw(values), log_decay)
    if rule == "general":
        return parts._replace(read=draw(keys) / 2, write=draw(keys) / 2)
    return delta_rule(parts, torch.rand(steps, rows, 3, generator=generator).double() * 2) if "delta" in rule else parts


def results_of(recurrence: Recurrence, parts: Parts, state: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Return the outputs, the state after the last step, and the gradients of all inputs, in float64."""
    given_parts = parts.map(lambda part: part.to(dtype).requires_grad_())
    state = state.to(dtype).requires_grad_()
    outputs, after = recurrence(given_parts, state)
    loss = outputs.double().square().sum() + after.double().sin().sum()
    gradients = torch.autograd.grad(loss, [*(part for part in given_parts if part is not None), state])
    return [result.detach().double() for result in (outputs, after, *gradients)]


@pytest.mark.parametrize("name", LIBRARIES)
@settings(deadline=None, max_examples=40)
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
    def run(parts: Parts, state: Tensor) -> tuple[Tensor, Tensor]:
        return run_matrix_states(LIBRARIES[name], parts, state)

    parts = make_parts(rule, steps, rows, sizes, seed)
    state = torch.randn(rows, 3, *sizes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    exact = results_of(read_steps, parts, state, torch.float64)
    plain = results_of(read_steps, parts, state, torch.float32)
    for expected, torch_result, found in zip(exact, plain, results_of(run, parts, state, torch.float32), strict=True):
        largest = float(expected.abs().max()) + 1e-6
        allowed = 4 * float((torch_result - expected).abs().max()) + 1e-5 * largest
        assert float((found - expected).abs().max()) <= allowed


@pytest.mark.parametrize("rule", RULES)
def test_an_emulated_processor_computes_the_same(rule: str, kernels: Library):
    parts = make_parts(rule, 18, 2, (24, 40), 1)
    state = torch.randn(2, 3, 24, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = results_of(read_steps, parts, state, torch.float64)
    found = results_of(lambda *given: run_matrix_states(kernels, *given), parts, state, torch.float32)
    for exact, result in zip(expected, found, strict=True):
        torch.testing.assert_close(result, exact, rtol=1e-4, atol=1e-5 * float(exact.abs().max()))


def test_a_part_may_be_the_same_for_all_heads_and_rows():
    library = best_library()
    assert library is not None
    parts = make_parts("gated delta", 20, 2, (5, 3), 0)
    shared = parts._replace(query=parts.query[:, :1, :1], key=parts.key[:, :, :1])
    state = torch.zeros(2, 3, 5, 3, dtype=torch.float64)
    exact = read_steps(shared, state)
    found = run_matrix_states(library, shared.map(lambda part: part.float()), state.float())
    for expected, result in zip(exact, found, strict=True):
        torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(RuntimeError, match="expand"):
        run_matrix_states(library, parts._replace(value=parts.value[..., :2]), state.float())


def test_threads_do_not_change_the_results():
    library = best_library()
    assert library is not None
    parts = make_parts("gated delta", 40, 5, (16, 16), 0).map(lambda part: part.float())
    state, threads = torch.zeros(5, 3, 16, 16), torch.get_num_threads()
    results: list[Tensor] = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(run_matrix_states(library, parts, state)[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_a_state_stays_finite_in_a_long_sequence():
    library = best_library()
    assert library is not None
    with torch.no_grad():
        parts = make_parts("gated delta", 2000, 1, (16, 16), 0).map(lambda part: part.float())
        state = torch.zeros(1, 3, 16, 16)
        for _ in range(50):
            outputs, state = run_matrix_states(library, parts, state)
    assert torch.isfinite(outputs).all()
    assert torch.isfinite(state).all()


class _Plain(MatrixStateCell[MatrixState]):
    update_rule = "gated"

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, [hidden_size] * 3, heads=2)

    def parts(self, projected: Tensor) -> Parts:
        return Parts(*(self.split_heads(part) for part in self.split(projected)))

    def readout(self, reads: Tensor, parts: Parts, projected: Tensor) -> Tensor:
        return reads.flatten(-2)


class _Counted(_Plain):
    """Notes how many steps are advanced at once."""

    lengths: ClassVar[list[int]] = []

    def advance(self, projected: Tensor, state: MatrixState, recurrence: Recurrence) -> tuple[Tensor, MatrixState]:
        self.lengths.append(len(projected))
        return super().advance(projected, state, recurrence)


def test_a_long_sequence_is_advanced_in_segments():
    torch.manual_seed(0)
    cell, context = _Counted(5, 8), BackendContext(torch.device("cpu"), torch.float32)
    inputs = torch.randn(600, 2, 5)
    outputs, _ = NativeBackend().sequence_function(cell, context)(inputs, cell.initial_state(2))
    assert cell.lengths == [256, 256, 88]
    torch.testing.assert_close(outputs, cell(inputs, cell.initial_state(2))[0], rtol=1e-3, atol=1e-3)


def test_the_backend_runs_any_cell_with_a_matrix_state():
    torch.manual_seed(0)
    cell, context = _Plain(5, 8), BackendContext(torch.device("cpu"), torch.float32)
    inputs = torch.randn(21, 3, 5)
    backend = NativeBackend()
    assert backend.unsupported(cell, context) is None
    outputs, after = backend.sequence_function(cell, context)(inputs, cell.initial_state(3))
    expected, expected_after = cell(inputs, cell.initial_state(3))
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(after.memory, expected_after.memory)
    with pytest.raises(ValueError, match="float32 for each row"):
        backend.sequence_function(cell, context)(inputs, cell.initial_state(2))
