"""The cell conforms, also on the kernels of `native`, and is the network of the paper."""

from typing import ClassVar

import pytest
import torch
from seqforge.kinds import BackendContext
from seqforge.testing.cell_suite import CellSuite
from seqforge_native.backend import NativeBackend

from seqforge_clockwork.cell import ClockworkRNN


def in_groups(input_size: int, hidden_size: int) -> ClockworkRNN:
    """Return a cell with two groups, whose size is rounded up."""
    return ClockworkRNN(input_size, hidden_size + hidden_size % 2, groups=2)


class TestClockworkRNN(CellSuite):
    """Also compares the outputs and gradients of every installed backend with those of the cell."""

    cells: ClassVar = {"two groups": in_groups}


def test_a_kernel_runs_it() -> None:
    context = BackendContext(torch.device("cpu"), torch.float32)
    assert NativeBackend().unsupported(ClockworkRNN(3, 8), context) is None


def test_each_group_has_its_period() -> None:
    cell = ClockworkRNN(3, 8, groups=4)
    outputs, _ = cell(torch.randn(17, 1, 3), cell.initial_state(1))
    changed = (outputs[1:, 0] != outputs[:-1, 0]).reshape(16, 4, 2).any(-1)
    for group in range(4):
        steps = [1 + int(step) for step in changed[:, group].nonzero()]
        assert steps == list(range(2**group, 17, 2**group))


def test_slow_groups_do_not_read_fast_ones() -> None:
    cell = ClockworkRNN(3, 4, groups=2)
    expected = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]])
    assert torch.equal((cell.recurrent_matrix() != 0).int(), expected.int())


def test_sizes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="hidden_size = 9 is not a multiple of groups = 4"):
        ClockworkRNN(3, 9)
