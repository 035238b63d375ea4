"""Backends that are wrong."""

import copy
from typing import ClassVar

import torch
from torch import nn
from torch.func import functional_call

from seeded_bugs.bug import bug
from seeded_bugs.sound_cell import Sound
from seqforge.kinds import Backend
from seqforge.testing.backend_suite import BackendSuite


class Correct(Backend):
    """A correct backend."""

    def unsupported(self, cell, context):
        return None

    def sequence_function(self, cell, context):
        return lambda inputs, state: type(cell).forward(cell, inputs, state)


class Symbols(Sound):
    """A cell that reads symbols."""

    reads_symbols = True

    def project(self, inputs):
        if not inputs.is_floating_point():
            inputs = torch.nn.functional.one_hot(inputs, self.input_size).to(self.input_weight.dtype)
        return super().project(inputs)


class SuiteOfBackends(BackendSuite):
    """The suite with one cell in float64, in which a backend cannot hide a mistake."""

    cells: ClassVar = {"symbols": Symbols}
    dtypes: ClassVar = [torch.float64]


class SuiteInFloat32(SuiteOfBackends):
    """The suite with the same cell in float32."""

    dtypes: ClassVar = [torch.float32]


@bug(SuiteOfBackends, "test_a_sequence_is_the_scan_of_step", "`state.hidden` differs from the scan of `step`")
class ScalesTheState(Correct):
    """The last state is wrong."""

    def sequence_function(self, cell, context):
        def read(inputs, state):
            outputs, after = type(cell).forward(cell, inputs, state)
            return outputs, after._replace(hidden=after.hidden * 1.001)

        return read


@bug(
    SuiteOfBackends,
    "test_a_sequence_is_the_scan_of_step",
    "the gradient of `recurrent_weight` differs from the scan of `step`",
)
class DetachesTheWeight(Correct):
    """A parameter has no gradient."""

    def sequence_function(self, cell, context):
        def read(inputs, state):
            weight = {"recurrent_weight": cell.recurrent_weight.detach()}
            return functional_call(
                _Forward(cell), {f"cell.{name}": part for name, part in weight.items()}, (inputs, state)
            )

        return read


@bug(
    SuiteOfBackends,
    "test_symbols_are_read_as_unit_vectors",
    "the output for symbols differs from the scan of `step` for unit vectors",
)
class ReadsSymbolsFrom1(Correct):
    """The first symbol is taken for 1."""

    def sequence_function(self, cell, context):
        def read(inputs, state):
            shifted = inputs if inputs.is_floating_point() else (inputs + 1) % cell.input_size
            return type(cell).forward(cell, shifted, state)

        return read


@bug(
    SuiteOfBackends,
    "test_results_do_not_depend_on_gradients",
    "the output without gradients differs from the scan of `step`",
)
class WrongWithoutGradients(Correct):
    """The faster path without gradients is wrong."""

    def sequence_function(self, cell, context):
        def read(inputs, state):
            outputs, after = type(cell).forward(cell, inputs, state)
            return outputs if torch.is_grad_enabled() else outputs * 1.001, after

        return read


@bug(
    SuiteOfBackends,
    "test_chunks_that_carry_the_state_are_the_whole",
    "the output differs after chunking with a state that is not contiguous",
)
class AssumesContiguousStates(Correct):
    """The memory of the state is read as if it were contiguous."""

    def sequence_function(self, cell, context):
        def read(inputs, state):
            hidden = state.hidden.as_strided(state.hidden.shape, (state.hidden.shape[1], 1))
            return type(cell).forward(cell, inputs, state._replace(hidden=hidden))

        return read


@bug(
    SuiteOfBackends,
    "test_parameters_may_change",
    "the output does not change as it must after an optimizer step: the backend uses old parameters",
)
class CopiesParameters(Correct):
    """The reader has a copy of the parameters."""

    def sequence_function(self, cell, context):
        frozen = copy.deepcopy(cell)
        frozen.requires_grad_(False)

        def read(inputs, state):
            outputs, after = type(cell).forward(cell, inputs, state)
            old, _ = type(cell).forward(frozen, inputs, state)
            return outputs + (old - outputs).detach(), after

        return read


@bug(
    SuiteOfBackends,
    "test_a_copy_has_its_own_parameters",
    "the output is wrong in a deep copy: it shares the parameters",
)
class OneReaderForAllCells(Correct):
    """The reader of the first cell is used for its copies too."""

    first = None

    def sequence_function(self, cell, context):
        self.first = self.first or super().sequence_function(cell, context)
        return self.first


@bug(SuiteOfBackends, "test_the_same_sequence_has_the_same_bits", "the output has other bits in a second call")
class RandomRounding(Correct):
    """Results are rounded at random."""

    def sequence_function(self, cell, context):
        def read(inputs, state):
            outputs, after = type(cell).forward(cell, inputs, state)
            return outputs + 1e-12 * torch.rand_like(outputs), after

        return read


class _Forward(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, inputs, state):
        return type(self.cell).forward(self.cell, inputs, state)


@bug(
    SuiteOfBackends,
    "test_a_sequence_is_the_scan_of_step",
    "`state.hidden` has another shape: expected [20, 70], got [20, 70, 1]",
)
class StateWithAnAxisMore(Correct):
    """The last state has an axis more."""

    def sequence_function(self, cell, context):
        def read(inputs, state):
            outputs, after = cell(inputs, state)
            return outputs, after._replace(hidden=after.hidden.unsqueeze(-1))

        return read


@bug(
    SuiteInFloat32,
    "test_a_sequence_is_the_scan_of_step",
    "the output has another type: expected torch.float32, got torch.float64",
)
class OutputInFloat64(Correct):
    """The outputs have a wider type than the products."""

    def sequence_function(self, cell, context):
        def read(inputs, state):
            outputs, after = cell(inputs, state)
            return outputs.double(), after

        return read


@bug(
    SuiteInFloat32,
    "test_a_sequence_is_the_scan_of_step",
    "the type of `state.hidden` changes: expected torch.float32, got torch.float64",
)
class StateInFloat64(Correct):
    """The last state has a wider type than the first one."""

    def sequence_function(self, cell, context):
        def read(inputs, state):
            outputs, after = cell(inputs, state)
            return outputs, after._replace(hidden=after.hidden.double())

        return read


@bug(
    SuiteOfBackends,
    "test_results_do_not_depend_on_gradients",
    "the output requires a gradient inside `torch.no_grad()`",
)
class RecordsGradientsAlways(Correct):
    """Gradients are recorded also where they are switched off."""

    def sequence_function(self, cell, context):
        return torch.enable_grad()(cell)
