"""Generation by the kernels against the steps of the model on `eager`, for every cell, bare and in a block."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from seqforge_native.generation import NativeGenerationKernel, find_kernel
from seqforge_native.library import Library, runnable_libraries
from seqforge_native.row_programs.memory import UntraceableError
from seqforge_native.row_programs.model_program import compile_model
from torch import Tensor, nn

from seqforge import Registry
from seqforge.kinds import Cell, GenerationModel

pytestmark = pytest.mark.skipif(not runnable_libraries(), reason="no kernels were built for this processor")

REGISTRY = Registry.installed()
SYMBOLS, SIZE, STEPS, ROWS = 19, 24, 5, 9
CELLS: dict[str, dict[str, Any]] = {
    "essentials/lstm": {},
    "essentials/gru": {},
    "essentials/rnn": {"nonlinearity": "relu"},
    "essentials/slstm": {"heads": 2},
    "essentials/layer-norm-lstm": {},
    "essentials/mgu": {},
    "matrix-cells/gated-deltanet": {"key_size": 7},
    "matrix-cells/gla": {"key_size": 16},
    "matrix-cells/hgrn-2": {},
    "matrix-cells/mamba-2": {"key_size": 5},
    "matrix-cells/mlstm": {"key_size": 7},
    "matrix-cells/rwkv-7": {},
    "parallel-cells/ind-rnn": {},
    "parallel-cells/min-gru": {},
    "parallel-cells/min-lstm": {},
    "parallel-cells/qrnn": {},
    "parallel-cells/rg-lru": {},
    "parallel-cells/sru": {},
}
BLOCKS: dict[str, dict[str, Any]] = {
    "a gate": {"gate": "silu", "convolution": 3},
    "an expansion": {"norm": "layer", "expansion": 1.5, "gate": "gelu", "feed_forward": "gelu"},
    "SwiGLU": {"feed_forward": "swiglu", "feed_forward_expansion": 1.3},
}


def new_cell(name: str, input_size: int, **options: Any) -> Cell[Any]:
    return REGISTRY.load(REGISTRY.find("cell", name))(input_size, **options)


def model_of(cells: list[Cell[Any]], dtype: torch.dtype = torch.float32, **options: Any) -> GenerationModel:
    for cell in cells:
        cell.eval()
        for parameter in cell.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    head = torch.randn(SYMBOLS, cells[-1].hidden_size) / 2
    embedding = torch.randn(SYMBOLS, cells[0].input_size)
    return GenerationModel(cells, embedding, head, torch.randn(SYMBOLS), [], dtype, **options)


class Steps(NamedTuple):
    """Probabilities after some symbols `[steps, batch]`, and the states after them."""

    probabilities: Tensor
    states: list[Any]


def by_kernel(library: Library, model: GenerationModel, symbols: Tensor) -> Steps:
    kernel, found = NativeGenerationKernel(library, model), list[Tensor]()
    states: Any = [cell.initial_state(symbols.shape[1]) for cell in model.cells]
    for last in symbols:
        drawn, states = kernel(last, states, torch.zeros(1, len(last)))
        assert len(drawn) == 1
        found.append(kernel.probabilities)
    return Steps(torch.stack(found), [*states])


def by_steps(model: GenerationModel, symbols: Tensor) -> Steps:
    """Return the same in float64, by the steps of the cells."""
    cells = [copy.deepcopy(cell).double() for cell in model.cells]
    states: list[Any] = [cell.initial_state(symbols.shape[1]) for cell in cells]
    norm = None if model.norm is None else copy.deepcopy(model.norm).double()
    assert model.embedding is not None
    found = list[Tensor]()
    for last in symbols:
        hidden = model.embedding[last].double()
        for index, cell in enumerate(cells):
            hidden, states[index] = cell.step(cell.project(hidden[None])[0], states[index])
        hidden = hidden if norm is None else norm(hidden)
        found.append((hidden @ model.head_weight.double().t() + model.head_bias.double()).softmax(-1))
    return Steps(torch.stack(found), states)


def layers_of(name: str, block: str | None) -> list[Cell[Any]]:
    torch.manual_seed(0)

    def inner(size: int) -> Cell[Any]:
        return new_cell(name, size, hidden_size=SIZE, **CELLS[name])

    if block is None:
        return [inner(10), inner(SIZE)]
    return [new_cell("essentials/block", 10, cell=inner, **BLOCKS[block]) for _ in range(2)]


@cache
def case_of(name: str, block: str | None) -> tuple[GenerationModel, Tensor, Steps]:
    """Return a model, symbols, and what the steps compute, which is the same for every processor."""
    model = model_of(layers_of(name, block), norm=nn.LayerNorm(SIZE if block is None else 10))
    symbols = torch.randint(SYMBOLS, (STEPS, ROWS))
    with torch.inference_mode():
        return model, symbols, by_steps(model, symbols)


def require_close(found: Steps, exact: Steps, rows: int) -> None:
    torch.testing.assert_close(found.probabilities.double(), exact.probabilities[:, :rows], rtol=2e-4, atol=1e-6)
    for one, other in zip(found.states, exact.states, strict=True):
        for part, expected in zip(one, other, strict=True):
            bound = 1e-4 * float(expected.abs().max()) + 1e-6
            torch.testing.assert_close(part.double(), expected[:rows], rtol=1e-3, atol=bound)


def require_equal_results(library: Library, name: str, block: str | None) -> None:
    model, symbols, exact = case_of(name, block)
    with torch.inference_mode():
        for rows in (1, ROWS):
            require_close(by_kernel(library, model, symbols[:, :rows]), exact, rows)


@pytest.mark.parametrize(
    ("name", "block"),
    [*((name, None) for name in CELLS), *(("essentials/gru", block) for block in BLOCKS)],
)
def test_the_kernel_computes_the_probabilities_and_states_of_the_steps(
    name: str, block: str | None, kernels: Library
) -> None:
    require_equal_results(kernels, name, block)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("name", CELLS)
def test_the_fastest_kernel_computes_every_cell_in_every_block(name: str, block: str) -> None:
    require_equal_results(runnable_libraries()[0], name, block)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.int8])
@pytest.mark.parametrize("name", ["matrix-cells/gated-deltanet", "matrix-cells/mlstm", "parallel-cells/rg-lru"])
def test_rounded_products_are_close_to_those_of_float32(name: str, dtype: torch.dtype, kernels: Library) -> None:
    if not kernels.generates(dtype):
        pytest.skip(f"{kernels.name} has no products in {dtype}")
    model, symbols, exact = case_of(name, "SwiGLU")
    with torch.inference_mode():
        found = by_kernel(kernels, replace(model, dtype=dtype), symbols)
    moved = (found.probabilities.double() - exact.probabilities).abs().sum(-1) / 2
    assert moved.max() < (0.03 if dtype == torch.bfloat16 else 0.08)


def test_a_block_without_an_embedding_reads_unit_vectors(kernels: Library) -> None:
    torch.manual_seed(0)
    block = new_cell("essentials/block", SYMBOLS, cell=lambda size: new_cell("essentials/gru", size, hidden_size=SIZE))
    model, symbols = model_of([block]), torch.randint(SYMBOLS, (STEPS, ROWS))
    plain = replace(model, embedding=torch.eye(SYMBOLS))
    with torch.inference_mode():
        require_close(by_kernel(kernels, replace(model, embedding=None), symbols), by_steps(plain, symbols), ROWS)


def test_a_cell_with_a_matrix_state_has_its_own_step_after_a_program_was_recorded() -> None:
    torch.manual_seed(0)
    model = model_of([new_cell("matrix-cells/gla", SIZE, hidden_size=SIZE)])
    symbols = torch.randint(SYMBOLS, (STEPS, ROWS))
    with torch.inference_mode():
        before = by_steps(model, symbols)
        compile_model(model)
        assert torch.equal(by_steps(model, symbols).probabilities, before.probabilities)


class Written(Cell[Any]):
    """A cell whose step is a function of its input, its state and itself."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(SIZE, SIZE)
        self.function = function
        self.matrix = nn.Parameter(torch.randn(SIZE, SIZE) / 5)
        self.norm = nn.LayerNorm(SIZE)

    def initial_state(self, batch_size: int) -> Any:
        ramp = torch.linspace(0.5, 1.5, SIZE, dtype=self.matrix.dtype)
        return TwoStates(self.matrix.new_zeros(batch_size, SIZE), ramp.repeat(batch_size, 1))

    def step(self, projected: Tensor, state: Any) -> Any:
        output, after = self.function(self, projected, *state)
        return output, TwoStates(*after)


class TwoStates(NamedTuple):
    """A state of two parts."""

    one: Tensor
    other: Tensor


WRITTEN: dict[str, Callable[..., Any]] = {
    "states that change places": lambda cell, x, a, b: (a + x, (b * 0.9 + x, a)),
    "a state in another order": lambda cell, x, a, b: (x, (a, b.view(-1, 3, 8).transpose(1, 2).flatten(1))),
    "states that stay": lambda cell, x, a, b: (a - b * x, (a, b)),
    "the old state as the output": lambda cell, x, a, b: (a, (x.tanh(), b + 1)),
    "an operation in place": lambda cell, x, a, b: ((x * 2).add_(b).relu_(), (a, b)),
    "a weight from two": lambda cell, x, a, b: (x @ (cell.matrix @ cell.matrix.t()), (x @ cell.matrix, b)),
    "a product that is read twice": lambda cell, x, a, b: (
        (lambda product: (product + b).tanh() * product)(x @ cell.matrix),
        (a, b),
    ),
    "a product and a parameter": lambda cell, x, a, b: (x @ cell.matrix + cell.norm.weight + b, (a, b)),
    "a constant": lambda cell, x, a, b: (x * torch.arange(SIZE) + torch.linspace(0, 1, SIZE), (a, b)),
    "a norm of a product": lambda cell, x, a, b: (cell.norm(a @ cell.matrix.exp()), (x, a[:, :1] + b)),
    "heads": lambda cell, x, a, b: (
        (x.view(-1, 3, 8) @ cell.matrix[:8, :8]).flatten(1),
        (torch.cat([x[:, 1:], x[:, :1]], -1), b),
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_kernel_computes_the_steps_of_any_author(name: str) -> None:
    torch.manual_seed(0)
    model = model_of([Written(WRITTEN[name]), Written(WRITTEN[name])])
    symbols = torch.randint(SYMBOLS, (STEPS, 3))
    with torch.inference_mode():
        require_close(by_kernel(runnable_libraries()[0], model, symbols), by_steps(model, symbols), 3)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda cell, x, a, b: (x if x.sum() > 0 else a, (a, b)), "a branch that depends on the data"),
        (lambda cell, x, a, b: (x * len([n for n in x.tolist() if n]), (a, b)), "outside of torch"),
        (lambda cell, x, a, b: (x + torch.rand_like(x), (a, b)), "the operation rand_like"),
        (lambda cell, x, a, b: (x.sort().values, (a, b)), "the operation sort"),
        (lambda cell, x, a, b: (a[:, :1].add_(x[:, :1]) + a, (a, b)), "changes a part"),
        (lambda cell, x, a, b: (x @ torch.ones(3), (a, b)), "size mismatch"),
        (lambda cell, x, a, b: (((x > 0) + (a > 0)) * x, (a, b)), "the operation add with a boolean result"),
    ],
)
def test_a_step_that_no_program_can_compute_has_no_kernel(function: Callable[..., Any], reason: str) -> None:
    model = model_of([Written(function)])
    with pytest.raises(UntraceableError, match=reason):
        compile_model(model)
    assert find_kernel(runnable_libraries()[0], model) is None
