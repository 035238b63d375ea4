"""Products in the tile registers of AMX: on emulated tiles on every machine, and on real ones where there are any."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings, strategies
from hypothesis.strategies import DataObject
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN
from seqforge_native.built_in_cells import built_in_kernel, read_built_in
from seqforge_native.generation import NativeGenerationKernel
from seqforge_native.library import Library
from torch import Tensor

from seqforge.kinds import FactoredCell, GenerationModel, State

CELLS: dict[str, Callable[[int, int], FactoredCell[Any]]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
    "relu": partial(RNN, nonlinearity="relu"),
}
BFLOAT16 = torch.bfloat16
SYMBOLS = 6
# Tiles have 16 rows and 32 numbers of depth: the sizes around their multiples are those that may go wrong.
ROWS = strategies.integers(1, 130) | strategies.sampled_from([7, 8, 15, 16, 17, 31, 32, 33, 48, 49, 64, 65, 128, 129])
UNITS = strategies.integers(1, 150) | strategies.sampled_from([16, 31, 32, 33, 48, 63, 64, 65, 128])
some = settings(
    max_examples=15,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=["emulated_tiles", "emulated_processor", "real_tiles"])
def tiles(request: pytest.FixtureRequest) -> Library:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["emulated_processor", "real_tiles"])
def pair(request: pytest.FixtureRequest, emulated_tiles: Library) -> tuple[Library, Library]:
    """Two libraries that must give the same bits."""
    return emulated_tiles, request.getfixturevalue(request.param)


class Case(NamedTuple):
    cell: FactoredCell[Any]
    symbols: Tensor
    state: Any


def draw_case(data: DataObject, name: str, steps: int) -> Case:
    rows, units = data.draw(ROWS), data.draw(UNITS)
    torch.manual_seed(data.draw(strategies.integers(0, 999)))
    return make_case(name, steps, rows, units)


def make_case(name: str, steps: int, rows: int, units: int) -> Case:
    cell = CELLS[name](SYMBOLS, units)
    state = type(cell.initial_state(1))(*(torch.randn(rows, units) for _ in cell.initial_state(1)))
    return Case(cell, torch.randint(SYMBOLS, (steps, rows)), state)


def rounded(numbers: Tensor) -> Tensor:
    return numbers.to(BFLOAT16).double()


def read(library: Library, case: Case) -> tuple[Tensor, Any]:
    equations = case.cell.equations
    assert equations is not None
    return read_built_in(case.cell, built_in_kernel(library, equations), BFLOAT16, case.symbols, case.state)


def plain_step(case: Case) -> tuple[Tensor, Any]:
    """The first step on numbers that are rounded to bfloat16, with sums in float64."""
    cell = case.cell
    gates = rounded(cell.input_weight.t() + cell.bias)[case.symbols[0]]
    recurrent = rounded(case.state[0]) @ rounded(cell.recurrent_weight).t()
    before = type(case.state)(*(part.double() for part in case.state))
    return cell.double().pointwise(gates, recurrent, before)


@pytest.mark.parametrize("name", list(CELLS))
@some
@given(data=strategies.data())
def test_a_step_is_that_of_rounded_numbers(data: DataObject, name: str, tiles: Library) -> None:
    case = draw_case(data, name, steps=1)
    with torch.no_grad():
        outputs, after = read(tiles, case)
        expected, expected_after = plain_step(case)
    torch.testing.assert_close(tuple(after), tuple(part.float() for part in expected_after), rtol=2e-5, atol=2e-5)
    torch.testing.assert_close(outputs[0].double(), expected, rtol=2**-8, atol=2e-5)


@pytest.mark.parametrize("name", ["lstm", "rnn", "relu"])
@some
@given(data=strategies.data())
def test_the_gradient_of_a_state_is_a_product_of_rounded_numbers(data: DataObject, name: str, tiles: Library) -> None:
    # With one symbol per row, the gradients of the table are those of the gates, as the kernel rounded them.
    rows, units = data.draw(ROWS), data.draw(UNITS)
    torch.manual_seed(data.draw(strategies.integers(0, 999)))
    cell = CELLS[name](rows, units)
    state = type(cell.initial_state(1))(*(torch.randn(rows, units, requires_grad=True) for _ in cell.initial_state(1)))
    outputs, after = read(tiles, Case(cell, torch.arange(rows).unsqueeze(0), state))
    total = sum((part * torch.randn(part.shape)).sum() for part in (outputs.float(), *after))
    assert isinstance(total, Tensor)
    gates, found = torch.autograd.grad(total, [cell.input_weight, state[0]])
    assert torch.equal(rounded(gates), gates.double())
    expected = gates.t().double() @ rounded(cell.recurrent_weight)
    torch.testing.assert_close(found, expected.float(), rtol=2e-5, atol=2e-5)


def test_eight_rows_are_multiplied_in_tiles(tiles: Library) -> None:
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    eight, fewer = make_case("lstm", 1, rows=8 * threads, units=64), 7 * threads  # each thread has rows of its own
    seven = Case(eight.cell, eight.symbols[:, :fewer], type(eight.state)(*(part[:fewer] for part in eight.state)))
    with torch.no_grad():
        in_tiles, in_registers = read(tiles, eight)[1].cell[:fewer], read(tiles, seven)[1].cell
    # The sums are in another order, so some bits differ.
    assert not torch.equal(in_tiles, in_registers)
    torch.testing.assert_close(in_tiles, in_registers)


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("rows", [8, 17, 65])
def test_what_is_not_finite_stays_in_its_row(rows: int, number: float, tiles: Library) -> None:
    torch.manual_seed(rows)
    case = make_case("relu", 1, rows, units=72)
    with torch.no_grad():
        finite = read(tiles, case)[1].hidden
        bad = [0, rows // 2, rows - 1]
        case.state.hidden[bad, torch.tensor([3, 40, 71])] = number
        found, expected = read(tiles, case)[1].hidden, plain_step(case)[1].hidden.float()
    others = [row for row in range(rows) if row not in bad]
    assert torch.equal(found[others], finite[others])
    assert not expected[bad].isfinite().all(1).any()
    torch.testing.assert_close(found, expected, equal_nan=True, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_a_weight_that_is_not_finite_reaches_its_unit_in_every_row(number: float, tiles: Library) -> None:
    torch.manual_seed(0)
    case = make_case("relu", 1, rows=33, units=72)
    with torch.no_grad():
        case.cell.recurrent_weight[50, 40] = number
        found, expected = read(tiles, case)[1].hidden, plain_step(case)[1].hidden.float()
    torch.testing.assert_close(found, expected, equal_nan=True, rtol=2e-5, atol=2e-5)


def bits(numbers: Tensor) -> Tensor:
    return numbers.view(torch.int16 if numbers.dtype == BFLOAT16 else torch.int32)


def results(library: Library, case: Case) -> list[Tensor]:
    """Outputs, last state and all gradients."""
    leaves = [part.clone().requires_grad_() for part in case.state]
    outputs, after = read(library, case._replace(state=type(case.state)(*leaves)))
    generator = torch.Generator().manual_seed(1)
    found = [outputs, *after]
    total = sum((part.float() * torch.randn(part.shape, generator=generator)).sum() for part in found)
    assert isinstance(total, Tensor)
    return [*found, *torch.autograd.grad(total, [*leaves, *case.cell.parameters()])]


@pytest.mark.parametrize("name", list(CELLS))
@some
@given(data=strategies.data())
def test_a_sequence_has_the_same_bits_on_every_processor(
    data: DataObject, name: str, pair: tuple[Library, Library]
) -> None:
    case = draw_case(data, name, steps=3)
    left, right = (results(library, case) for library in pair)
    assert all(torch.equal(bits(a), bits(b)) for a, b in zip(left, right, strict=True))


def draw_model(
    data: DataObject, name: str, dtype: torch.dtype
) -> tuple[GenerationModel, tuple[Tensor, Sequence[State]]]:
    """A model, and the last symbol and the state of each row."""
    rows, sizes = data.draw(ROWS), data.draw(strategies.lists(UNITS, min_size=1, max_size=2))
    symbols = data.draw(strategies.integers(2, 70))
    torch.manual_seed(data.draw(strategies.integers(0, 999)))
    cells = [CELLS[name](*shape) for shape in zip([symbols, *sizes[:-1]], sizes, strict=True)]
    states = [type(cell.initial_state(1))(*map(torch.randn_like, cell.initial_state(rows))) for cell in cells]
    model = GenerationModel(cells, None, torch.randn(symbols, sizes[-1]) / 4, torch.randn(symbols), [], dtype)
    return model, (torch.randint(symbols, (rows,)), states)


def generate(
    library: Library, model: GenerationModel, place: tuple[Tensor, Sequence[State]], steps: int
) -> tuple[Tensor, Tensor]:
    """Draw symbols, and return them with the probabilities of the last draw."""
    with torch.inference_mode():
        kernel = NativeGenerationKernel(library, model)
        drawn, _ = kernel(*place, torch.rand(steps, len(place[0]), generator=torch.Generator().manual_seed(2)))
        return drawn, kernel.probabilities


def plain_probabilities(model: GenerationModel, last: Tensor, states: Sequence[State]) -> Tensor:
    below: Tensor | None = None
    for cell, state in zip(model.cells, states, strict=True):
        assert isinstance(cell, FactoredCell)
        if below is None:
            gates = rounded(cell.input_weight.t() + cell.bias)[last]
        else:
            gates = rounded(below @ rounded(cell.input_weight).t() + cell.bias.double())
        recurrent = rounded(state[0]) @ rounded(cell.recurrent_weight).t()
        below, _ = cell.double().pointwise(gates, recurrent, type(state)(*(part.double() for part in state)))
        below = rounded(below)
    assert below is not None
    return (below @ rounded(model.head_weight).t() + model.head_bias.double()).softmax(-1)


@pytest.mark.parametrize("name", list(CELLS))
@some
@given(data=strategies.data())
def test_generation_draws_from_the_distribution_of_rounded_numbers(data: DataObject, name: str, tiles: Library) -> None:
    model, place = draw_model(data, name, BFLOAT16)
    _, found = generate(tiles, model, place, steps=1)
    with torch.no_grad():
        expected = plain_probabilities(model, *place)
    moved = (found.double() - expected).abs().sum(-1) / 2
    # A number between two steps of bfloat16 may be rounded to either.
    assert moved.max() < 0.01


@pytest.mark.parametrize("dtype", [BFLOAT16, torch.int8], ids=["bfloat16", "int8"])
@pytest.mark.parametrize("name", list(CELLS))
@some
@given(data=strategies.data())
def test_generation_has_the_same_bits_on_every_processor(
    data: DataObject, name: str, dtype: torch.dtype, pair: tuple[Library, Library]
) -> None:
    model, place = draw_model(data, name, dtype)
    left, right = (generate(library, model, place, steps=4) for library in pair)
    assert torch.equal(left[0], right[0])
    assert torch.equal(bits(left[1]), bits(right[1]))


@pytest.mark.parametrize("name", list(CELLS))
@settings(some, max_examples=8)
@given(data=strategies.data())
def test_int8_has_the_same_bits_in_tiles_and_in_registers(data: DataObject, name: str, tiles: Library) -> None:
    model, (last, all_states) = draw_model(data, name, torch.int8)
    drawn, probabilities = generate(tiles, model, (last, all_states), steps=1)
    for first in range(0, len(last), 7):  # so few rows are multiplied in registers
        rows = slice(first, first + 7)
        states = [type(state)(*(part[rows] for part in state)) for state in all_states]
        _, alone = generate(tiles, model, (last[rows], states), steps=1)
        assert torch.equal(bits(alone), bits(probabilities[rows]))
    assert drawn.shape == (1, len(last))
