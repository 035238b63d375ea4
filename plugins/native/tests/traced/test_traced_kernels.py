"""Kernels compiled from the elementwise part of a cell, against the plain cells in float64."""

import copy
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings, strategies
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN
from seqforge_native.backend import NativeBackend
from seqforge_native.cell_reader import read_cell
from seqforge_native.kernel_build import NEEDS
from seqforge_native.library import best_instruction_set
from seqforge_native.traced import build
from seqforge_native.traced.build import compile_program
from seqforge_native.traced.program import plan
from seqforge_native.traced.trace import trace
from torch import Tensor, nn

from seqforge.errors import PluginError
from seqforge.hardware import instruction_sets
from seqforge.kinds import BackendContext, FactoredCell, SequenceFunction, scan
from seqforge.storage.cache import list_entries

CPU = torch.device("cpu")
SETS = [name for name, needs in NEEDS.items() if needs <= instruction_sets()]
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 0.03}

pytestmark = pytest.mark.skipif(not SETS, reason="this processor has no AVX2")


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


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQFORGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def kernel_for(
    cell: FactoredCell[Any],
    monkeypatch: pytest.MonkeyPatch,
    instruction_set: str | None = None,
    dtype: torch.dtype = torch.float32,
) -> SequenceFunction:
    """Compile a kernel, even for a cell that has built-in kernels; for one instruction set if it is given."""
    if instruction_set is not None:
        monkeypatch.setattr(build, "best_instruction_set", lambda: instruction_set)
    return partial(read_cell, cell, compile_program(plan(trace(cell)), dtype, "a cell"), dtype)


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


@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize("dtype", list(TOLERANCES), ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", list(CELLS))
@settings(
    max_examples=8,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=strategies.data())
def test_a_traced_kernel_equals_the_cell(
    data: strategies.DataObject,
    name: str,
    dtype: torch.dtype,
    instruction_set: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if dtype == torch.bfloat16 and "avx512_bf16" not in NEEDS[instruction_set]:
        pytest.skip(f"{instruction_set} has no products in bfloat16")
    if dtype == torch.bfloat16 and name == "many operations":
        pytest.skip("it is discontinuous, so that rounding may change the result")
    time, batch, input_size = (data.draw(strategies.integers(1, most)) for most in (9, 20, 9))
    torch.manual_seed(data.draw(strategies.integers(0, 999)))
    cell = CELLS[name](input_size, data.draw(strategies.integers(1, 70)))
    read = kernel_for(cell, monkeypatch, instruction_set, dtype)
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


def test_an_output_may_be_a_side_of_a_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = GateAsOutput(5, 6)
    inputs, state = torch.randn(3, 2, 5), cell.initial_state(2)
    outputs, _ = kernel_for(cell, monkeypatch)(inputs, state)
    torch.testing.assert_close(outputs, cell(inputs, state)[0])


def test_the_number_of_threads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    cell = Leaky(5, 40)
    read = kernel_for(cell, monkeypatch)
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


def test_kernels_of_one_process_do_not_share_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without optimization, a kernel reads constants from memory, and the linker merges those with the same name."""
    compiler = tmp_path / "compiler"
    compiler.write_text(f'#!/bin/sh\nexec {build.find_compiler()} "$@" -O0\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    inputs = torch.randn(3, 2, 5)
    for cell in (Leaky(5, 6), StoredHidden(5, 6)):
        outputs, _ = kernel_for(cell, monkeypatch)(inputs, cell.initial_state(2))
        torch.testing.assert_close(outputs, cell(inputs, cell.initial_state(2))[0])


def test_nan_stays_in_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = ManyOperations(5, 20)
    inputs = torch.randn(4, 3, 5)
    inputs[1, 1, 2] = torch.nan
    read = kernel_for(cell, monkeypatch)
    outputs, _ = read(inputs, cell.initial_state(3))
    assert outputs[1:, 1].isnan().all()
    assert outputs[:, [0, 2]].isfinite().all()


def test_a_kernel_is_compiled_once_with_a_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path))
    backend, context = NativeBackend(), BackendContext(CPU, torch.float32)
    assert backend.unsupported(OneGate(5, 6), context) is None
    assert backend.preparation_seconds(OneGate(5, 6), context) > 1
    backend.sequence_function(OneGate(5, 6), context)
    assert "compiling a kernel for OneGate" in capsys.readouterr().err
    (entry,) = list_entries()
    assert (entry.kind, entry.origin) == ("kernels", f"OneGate in float32 for {best_instruction_set()}")
    assert backend.preparation_seconds(OneGate(7, 9), context) == 0
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))
    backend.sequence_function(OneGate(7, 9), context)
    assert capsys.readouterr().err == ""


def test_a_damaged_kernel_is_compiled_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path))
    backend, context = NativeBackend(), BackendContext(CPU, torch.float32)
    backend.sequence_function(OneGate(5, 6), context)
    (library,) = tmp_path.glob("kernels/*/kernel.so")
    whole = library.read_bytes()
    # The old file may still be mapped, so it is replaced rather than changed.
    library.unlink()
    library.write_bytes(whole[:1000] + bytes([whole[1000] ^ 4]) + whole[1001:])
    assert backend.preparation_seconds(OneGate(5, 6), context) > 1
    backend.sequence_function(OneGate(5, 6), context)
    assert backend.preparation_seconds(OneGate(5, 6), context) == 0


def test_a_failing_compiler_is_an_error_with_its_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))
    compiler = tmp_path / "compiler"
    compiler.write_text(
        "#!/bin/sh\necho 'In file included from x:' >&2\necho 'x:1: error: unknown instruction' >&2\nexit 1\n"
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(PluginError, match="the compiler failed: x:1: error: unknown instruction"):
        NativeBackend().sequence_function(Leaky(5, 6), BackendContext(CPU, torch.float32))
    assert list(tmp_path.glob("cache/kernels/*")) == []
