"""The cells that the backends `native` and `inductor` can run, and the reasons why they cannot run others."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM, LayerNormLSTM
from seqforge_essentials.cells.rnn import RNN
from seqforge_matrix_cells.gla import GLA
from seqforge_native import backend as native_backend
from seqforge_native import library
from seqforge_native.backend import NativeBackend
from seqforge_native.inductor import InductorBackend
from seqforge_native.kernel_build import NEEDS
from seqforge_native.library import Library, missing_kernels
from torch import nn

from seqforge.kinds import BackendContext, Cell, ElementwiseCell, HiddenState
from seqforge.registry.registry import Registry

FLOAT32 = BackendContext(torch.device("cpu"), torch.float32)
BFLOAT16 = BackendContext(torch.device("cpu"), torch.bfloat16)


class Plain(Cell[Any]):
    """A cell that is not factored."""

    def initial_state(self, batch_size: int) -> Any: ...

    def step(self, projected: Any, state: Any) -> Any: ...


class MultipliesInStep(Cell[HiddenState]):
    """A cell that multiplies the inputs by their weight on every step."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.weight = nn.Parameter(torch.randn(hidden_size, input_size))

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.weight.new_zeros(batch_size, self.hidden_size))

    def step(self, projected: Any, state: HiddenState) -> tuple[torch.Tensor, HiddenState]:
        hidden = torch.tanh(projected @ self.weight.T + state.hidden)
        return hidden, HiddenState(hidden)


class ReadsItsBias(ElementwiseCell[HiddenState]):
    """An elementwise cell that uses its bias a second time in a step of its own, and has a mask."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, hidden_size)
        self.register_buffer("mask", torch.arange(hidden_size) % 2 == 0)

    def pointwise(self, input_gates: torch.Tensor, state: HiddenState) -> Any: ...

    def step(self, projected: torch.Tensor, state: HiddenState) -> tuple[torch.Tensor, HiddenState]:
        hidden = torch.tanh(projected + self.bias * torch.where(self.get_buffer("mask"), state.hidden, 1.0))
        return hidden, HiddenState(hidden)


class OtherStep(RNN):
    """A factored cell with a step of its own."""

    def step(self, projected: Any, state: Any) -> Any: ...


@pytest.mark.parametrize("name", ["native", "inductor"])
def test_the_plugin_registers_its_backends(name: str) -> None:
    assert Registry.installed().find("backend", name).plugin == "native"


@pytest.mark.parametrize("cell", [RNN(3, 4), RNN(3, 4, nonlinearity="relu"), GRU(3, 4), LSTM(3, 4)])
def test_the_built_in_cells_run_without_preparation(
    cell: Any, kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_backend, "best_library", lambda: kernels)
    assert NativeBackend().unsupported(cell, FLOAT32) is None
    assert NativeBackend().preparation_seconds(cell, FLOAT32) == 0


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("peepholes", [False, True])
def test_symbols_may_have_any_integer_type(dtype: torch.dtype, peepholes: bool) -> None:
    cell, backend = LSTM(7, 5, peepholes=peepholes), NativeBackend()
    if (reason := backend.unsupported(cell, FLOAT32)) is not None:
        pytest.skip(reason)
    symbols = torch.randint(7, (4, 3)).to(dtype)
    outputs, _ = backend.sequence_function(cell, FLOAT32)(symbols, cell.initial_state(3))
    expected, _ = cell(symbols.long(), cell.initial_state(3))
    torch.testing.assert_close(outputs, expected)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (LSTM(3, 4).initial_state(5), r"a state of the shape \(5, 4\) on cpu; .* it must be \(2, 4\) on cpu"),
        (LSTM(3, 40).initial_state(2), r"a state of the shape \(2, 40\)"),
        (LSTM(3, 4).to("meta").initial_state(2), r"a state of the shape \(2, 4\) on meta"),
        (LSTM(3, 4).double().initial_state(2), "a state in float64; it must be in float32"),
    ],
)
@pytest.mark.parametrize("peepholes", [False, True])
def test_a_state_that_does_not_fit_is_an_error(state: Any, message: str, peepholes: bool) -> None:
    cell, backend = LSTM(3, 4, peepholes=peepholes), NativeBackend()
    if (reason := backend.unsupported(cell, FLOAT32)) is not None:
        pytest.skip(reason)
    with pytest.raises(ValueError, match=message):
        backend.sequence_function(cell, FLOAT32)(torch.randn(6, 2, 3), state)


class Unprojected(ElementwiseCell[HiddenState]):
    """A cell whose inputs are its gates."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, gates_size=hidden_size)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(torch.zeros(batch_size, self.hidden_size))

    def project(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs

    def pointwise(self, projected: torch.Tensor, state: HiddenState) -> Any:
        hidden = torch.tanh(projected + state.hidden)
        return hidden, HiddenState(hidden)


def test_projected_inputs_that_do_not_fit_are_an_error() -> None:
    cell, backend = Unprojected(40, 40), NativeBackend()
    if (reason := backend.unsupported(cell, FLOAT32)) is not None:
        pytest.skip(reason)
    with pytest.raises(ValueError, match=r"projected inputs of the shape \(6, 2, 8\) .* it must be \(6, 2, 40\)"):
        backend.sequence_function(cell, FLOAT32)(torch.randn(6, 2, 8), cell.initial_state(2))


@pytest.mark.parametrize(
    ("cell", "inputs"),
    [
        (LSTM(3, 4), torch.zeros(0, 2, dtype=torch.int64)),
        (LSTM(3, 4), torch.zeros(0, 2, 3)),
        (Unprojected(3, 3), torch.zeros(0, 2, 3)),
        (LayerNormLSTM(3, 4), torch.zeros(0, 2, 3)),
        (GLA(3, 4), torch.zeros(0, 2, 3)),
    ],
    ids=["symbols", "vectors", "elementwise", "program", "matrix state"],
)
def test_a_sequence_without_steps_is_the_same_error_as_in_torch(cell: Cell[Any], inputs: torch.Tensor) -> None:
    backend = NativeBackend()
    if (reason := backend.unsupported(cell, FLOAT32)) is not None:
        pytest.skip(reason)
    for read in (cell, backend.sequence_function(cell, FLOAT32)):
        with pytest.raises(ValueError, match="a sequence has no steps; a cell reads at least one"):
            read(inputs, cell.initial_state(2))


@pytest.mark.parametrize("inputs", [torch.zeros(4, 0, dtype=torch.int64), torch.zeros(4, 0, 3)])
@pytest.mark.parametrize("peepholes", [False, True])
def test_a_batch_may_have_no_rows(inputs: torch.Tensor, peepholes: bool) -> None:
    cell, backend = LSTM(3, 4, peepholes=peepholes), NativeBackend()
    if (reason := backend.unsupported(cell, FLOAT32)) is not None:
        pytest.skip(reason)
    outputs, state = backend.sequence_function(cell, FLOAT32)(inputs, cell.initial_state(0))
    outputs.sum().backward()
    assert outputs.shape == (4, 0, 4)
    assert all(part.shape == (0, 4) for part in state)
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in cell.parameters())


@pytest.mark.parametrize(
    ("cell", "context", "reason"),
    [
        (LSTM(3, 4), BackendContext(torch.device("cuda"), torch.float32), "it runs on cpu, not on cuda"),
        (Plain(3, 4), FLOAT32, "no kernel can compute its step: it contains a state that is not in float32"),
        (LSTM(3, 4).double(), FLOAT32, "its parameters are not in float32"),
        (LSTM(3, 4), BackendContext(torch.device("cpu"), torch.float64), "in float32 or bfloat16, not in float64"),
    ],
)
def test_a_cell_without_a_kernel_is_unsupported_with_a_reason(cell: Any, context: BackendContext, reason: str) -> None:
    if not library.runnable_instruction_sets() and "parameters" not in reason:
        pytest.skip("this processor has no kernels")
    assert reason in str(NativeBackend().refusal(cell, context))


def test_a_processor_without_kernels_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "instruction_sets", lambda: frozenset({"sse2"}))
    assert NativeBackend().unsupported(LSTM(3, 4), FLOAT32) == missing_kernels()
    assert missing_kernels() == "the kernels are for Linux, on an x86 processor with AVX2 or on ARM of 64 bits"


@pytest.mark.parametrize("features", [NEEDS["avx512"], {"asimd", "bf16"}], ids=["x86", "ARM"])
def test_bfloat16_needs_a_processor_with_avx512_bf16(features: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "instruction_sets", lambda: frozenset(features))
    reason = NativeBackend().unsupported(LSTM(3, 4), BFLOAT16)
    assert reason == "the kernels multiply in bfloat16 with AVX-512 BF16 only, which this processor does not have"


@pytest.mark.parametrize("name", ["avx2", "neon"])
def test_missing_or_damaged_kernels_are_unsupported_with_a_reason(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "instruction_sets", lambda: frozenset(NEEDS[name]))
    monkeypatch.setattr(native_backend, "best_library", lambda: None)
    monkeypatch.setattr(library, "built_library", lambda name: None)
    assert f"no kernels were built for {name}:" in str(NativeBackend().unsupported(GRU(3, 4), FLOAT32))
    monkeypatch.setattr(library, "built_library", lambda name: library.Path(f"{name}.so"))
    assert "cannot be loaded" in str(NativeBackend().unsupported(GRU(3, 4), FLOAT32))


def test_a_library_without_kernels_for_the_dtype_is_unsupported(
    kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = {key: function for key, function in kernels.functions.items() if key[0] != "forward"}
    monkeypatch.setattr(native_backend, "best_library", lambda: replace(kernels, functions=functions))
    assert NativeBackend().unsupported(LSTM(3, 4), FLOAT32) is not None


@pytest.mark.parametrize("kind", [MultipliesInStep, ReadsItsBias])
def test_a_cell_may_use_the_parameters_of_its_projection_in_its_step(kind: type[Cell[HiddenState]]) -> None:
    if not library.runnable_instruction_sets():
        pytest.skip("this processor has no kernels")
    cell, inputs = kind(3, 4), torch.randn(5, 2, 3)
    assert NativeBackend().unsupported(cell, FLOAT32) is None
    found, expected = (
        (outputs, *torch.autograd.grad(outputs.square().sum(), [*cell.parameters()]))
        for outputs, _ in (
            read(inputs, cell.initial_state(2)) for read in (NativeBackend().sequence_function(cell, FLOAT32), cell)
        )
    )
    torch.testing.assert_close(found, expected)


def test_without_a_compiler_inductor_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    cell = LSTM(3, 4, peepholes=True)
    assert "needs a C++ compiler" in str(InductorBackend().unsupported(cell, FLOAT32))


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (Plain(3, 4), "Plain is not a FactoredCell"),
        (OtherStep(3, 4), "OtherStep overrides `step`"),
    ],
)
def test_a_cell_that_inductor_cannot_compile_is_unsupported_with_a_reason(cell: Any, reason: str) -> None:
    assert reason in str(InductorBackend().unsupported(cell, FLOAT32))


def test_a_cell_is_recorded_once() -> None:
    class Counted(LSTM):
        calls = 0

        def pointwise(self, *arguments: Any) -> Any:
            Counted.calls += 1
            return super().pointwise(*arguments)

    cell, backend = Counted(3, 4, peepholes=True), NativeBackend()
    if (reason := backend.unsupported(cell, FLOAT32)) is not None:
        pytest.skip(reason)
    calls = Counted.calls
    assert calls
    assert backend.unsupported(cell, FLOAT32) is None
    assert Counted.calls == calls


def test_inductor_states_a_long_preparation() -> None:
    assert InductorBackend().preparation_seconds(LSTM(3, 4), FLOAT32) >= 10
