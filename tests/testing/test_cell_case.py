from typing import NamedTuple

import torch
from hypothesis import given, settings, strategies
from torch import nn

from seqforge.kinds import Cell
from seqforge.testing import cell_cases, sequences, sizes


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


@given(size=sizes(3))
def test_sizes_start_at_1(size):
    assert size in (1, 2, 3)


@given(data=strategies.data(), dtype=strategies.sampled_from([torch.float32, torch.float64]))
def test_sequences_have_the_given_shape_and_dtype(data, dtype):
    sequence = data.draw(sequences(4, time=strategies.just(2), batch=strategies.just(3), dtype=dtype))
    assert sequence.shape == (2, 3, 4)
    assert sequence.dtype == dtype


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
