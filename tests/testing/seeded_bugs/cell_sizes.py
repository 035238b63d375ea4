"""Cells that are wrong at the sizes or the memory layouts of real models, or have a parameter without an effect."""

import torch
from torch import nn

from seeded_bugs.bug import bug
from seeded_bugs.sound_cell import Memory, Sound
from seqforge.testing.cell_suite import CellSuite


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "the output of `forward` differs from the scan of `step`…(wrong above length 63)",
)
class WrongAtStep64(Sound):
    """Step 64 is wrong, where a block of steps ends."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return torch.cat([outputs[:63], outputs[63:64] * 1.01, outputs[64:]]), after


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "… of `forward` differs from the scan of `step`…wrong above hidden size 64",
)
class ZerosFromUnit65(Sound):
    """Only the first 64 units are computed."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return nn.functional.pad(outputs[..., :64], (0, max(0, self.hidden_size - 64))), after


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "`state.hidden` of `forward` differs from the scan of `step`…with 5 steps",
)
class PadsWithZeros(Sound):
    """`forward` pads a sequence with zeros to 4 steps, which change the state."""

    def forward(self, inputs, state):
        padded = nn.functional.pad(inputs, (0, 0, 0, 0, 0, -len(inputs) % 4))
        outputs, after = super().forward(padded, state)
        return outputs[: len(inputs)], Memory(after.hidden, state.steps + len(inputs))


@bug(
    CellSuite,
    "test_chunks_with_the_state_carried_give_the_whole",
    "raises RuntimeError: view size is not compatible…",
)
class ViewsItsState(Sound):
    """`forward` reads a state that is contiguous only."""

    def forward(self, inputs, state):
        hidden = state.hidden.view(-1).view_as(state.hidden)
        return super().forward(inputs, Memory(hidden, state.steps))


@bug(
    CellSuite,
    "test_documents_may_start_inside_a_sequence",
    "of row 2, in which a document starts at step 3, differs from that of the document alone: the cell uses a part of "
    "the state of one row, such as its number of steps, for other rows",
)
class StepsOfTheFirstRow(Sound):
    """The number of steps of the first row is used for all rows."""

    def step(self, projected, state):
        return super().step(projected * (1 + state.steps[0] % 3), state)


@bug(CellSuite, "test_tensors_are_registered", "the function in the table returns another size in a second call")
class GrowsWithEachCell(Sound):
    """Each cell has one more input weight than the one before, which its number of units does not show."""

    count = 0

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        GrowsWithEachCell.count += 1
        self.unused = nn.Parameter(torch.zeros(self.count))


@bug(CellSuite, "test_training_lowers_the_loss", "the parameter `peephole` never gets a gradient")
class UnusedParameter(Sound):
    """A parameter has no effect."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.peephole = nn.Parameter(torch.zeros(hidden_size))

    def step(self, projected, state):
        return super().step(projected + 0 * self.peephole, state)


@bug(
    CellSuite,
    "test_symbols_are_unit_vectors",
    "it cannot read symbols, integers [time, batch], as the first layer does: RuntimeError: mat1 and mat2 shapes "
    "cannot be multiplied",
)
class ReadsVectorsOnly(Sound):
    """A cell that says it reads symbols multiplies them by a matrix."""

    reads_symbols = True


@bug(
    CellSuite,
    "test_constrained_parameters_satisfy_the_constraints",
    "`constrain_parameters` replaces `input_weight` by another shape: expected [4, 3], got [4, 5]",
)
class AddsAColumn(Sound):
    """`constrain_parameters` adds a column to a parameter."""

    def constrain_parameters(self):
        self.input_weight.data = torch.nn.functional.pad(self.input_weight.data, (0, 1))


@bug(CellSuite, "test_tensors_are_registered", "`poles` is complex: ")
class ComplexPoles(Sound):
    """A parameter is complex."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.poles = nn.Parameter(torch.zeros(hidden_size, dtype=torch.complex64))
