from typing import NamedTuple

import pytest
import torch
from cell_cases import cell_cases
from hypothesis import given, settings, strategies
from torch import nn

from seqforge.kinds import Cell
from seqforge.testing.cell_case import CaseSizes, build_case, read_steps, require_same, results_of
from seqforge.testing.conformance import ConformanceError


def test_the_scale_of_the_inputs_is_named_if_it_is_not_1() -> None:
    assert str(CaseSizes(2, 3, 4, 5)) == "2 steps, 3 rows, input size 4, hidden size 5"
    assert str(CaseSizes(2, 3, 4, 5, scale=8.0)).endswith("hidden size 5, inputs scaled by 8")


class Sum(NamedTuple):
    total: torch.Tensor


class Adder(Cell[Sum]):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, 2 * hidden_size)
        self.weight = nn.Parameter(torch.zeros(input_size, 2 * hidden_size))

    def initial_state(self, batch_size):
        return Sum(self.weight.new_zeros(batch_size, self.hidden_size))

    def step(self, projected, state):
        total = state.total + projected @ self.weight
        return total, Sum(total)


class Logistic(Adder):
    """A chaotic cell: the logistic map, which ignores its input."""

    def initial_state(self, batch_size):
        return Sum(super().initial_state(batch_size).total + 0.3)

    def step(self, projected, state):
        total = 4 * state.total * (1 - state.total)
        return total, Sum(total)


@settings(deadline=None)
@given(case=cell_cases(Adder, time=strategies.just(7)))
def test_a_strategy_draws_small_cases_with_the_given_number_of_steps(case):
    steps, rows, features = case.inputs.shape
    assert steps == 7
    assert {rows, features} <= set(range(1, 6))


def test_a_chaotic_cell_may_differ_by_rounding_and_not_by_more():
    case = build_case(Logistic, CaseSizes(60, 2, 3, 4))
    outputs, after = read_steps(*case)
    _, again = read_steps(case.cell, case.inputs, Sum(case.state.total * (1 + 1e-16) + 1e-16))
    assert (after.total - again.total).abs().max() > 1e-6  # A difference of one rounding grows that much.
    require_same(case, "{part} differs", results_of((outputs, again)), lambda case: results_of(read_steps(*case)))
    wrong = results_of((torch.cat([outputs[:3], outputs[3:] * 1.01]), after))
    with pytest.raises(ConformanceError, match=r"the output differs: expected .* at \[3, 0, 0\]"):
        require_same(case, "{part} differs", wrong, lambda case: results_of(read_steps(*case)))


@settings(deadline=None)
@given(case=cell_cases(Adder))
def test_inputs_and_state_of_a_case_have_the_sizes_of_the_cell(case):
    assert case.inputs.shape[2] == case.cell.input_size
    assert case.state.total.shape == (case.inputs.shape[1], case.cell.hidden_size)
    assert case.inputs.dtype == case.state.total.dtype == case.cell.weight.dtype == torch.float64
    assert not case.cell.training


@settings(deadline=None)
@given(case=cell_cases(Adder))
def test_no_weight_or_state_of_a_case_is_zero(case):
    assert case.cell.weight.all()
    assert case.state.total.all()


@settings(deadline=None, max_examples=5)
@given(data=strategies.data())
def test_drawing_a_case_does_not_change_the_random_state(data):
    before = torch.get_rng_state()
    data.draw(cell_cases(Adder))
    assert torch.equal(torch.get_rng_state(), before)
