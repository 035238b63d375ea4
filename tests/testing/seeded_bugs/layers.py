"""Attentions and backends that are wrong."""

import copy
from typing import ClassVar

import torch
from torch import nn
from torch.func import functional_call

from seeded_bugs.bug import bug
from seeded_bugs.sound_cell import Sound
from seqforge.kinds import Attention, Backend
from seqforge.testing.attention_suite import AttentionSuite
from seqforge.testing.backend_suite import BackendSuite


class DotProduct(Attention):
    """A correct attention."""

    def __init__(self, query_size, memory_size):
        super().__init__(query_size, memory_size)
        self.weight = nn.Parameter(torch.randn(query_size, memory_size))

    def score(self, queries, projected):
        return torch.einsum("tbq,qm,sbm->bts", queries, self.weight, projected)


@bug(AttentionSuite, "test_tensors_are_registered", "tensor `temperature` is not registered as a parameter or buffer")
class UnregisteredTemperature(DotProduct):
    """The temperature is a plain tensor."""

    def __init__(self, query_size, memory_size):
        super().__init__(query_size, memory_size)
        self.temperature = torch.tensor(0.5)


@bug(AttentionSuite, "test_weights_sum_to_one_over_a_rows_own_steps", "padding has a weight")
class AttendsToPadding(DotProduct):
    """Padding is not masked."""

    def forward(self, queries, memory, projected, lengths):
        return super().forward(queries, memory, projected, torch.full_like(lengths, len(memory)))


@bug(
    AttentionSuite, "test_weights_sum_to_one_over_a_rows_own_steps", "the sum of the weights of a decoder step is not 1"
)
class SigmoidWeights(DotProduct):
    """Weights do not sum to 1."""

    def forward(self, queries, memory, projected, lengths):
        average, weights = super().forward(queries, memory, projected, lengths)
        return average, weights.sqrt()


@bug(
    AttentionSuite,
    "test_a_row_gives_alone_what_it_gives_in_a_batch",
    "the average depends on other rows of the batch, or on the padding",
)
class ScaledByTheBatch(DotProduct):
    """Scores are divided by their largest value in the batch."""

    def score(self, queries, projected):
        scores = super().score(queries, projected)
        return scores / scores.abs().max()


@bug(
    AttentionSuite, "test_each_step_is_scored_by_itself", "the weights of decoder step 0 depend on other decoder steps"
)
class LooksAhead(DotProduct):
    """Scores depend on later decoder steps."""

    def score(self, queries, projected):
        return super().score(queries + queries.mean(0, keepdim=True), projected)


@bug(AttentionSuite, "test_attending_again_gives_the_same_bits", "the average is random in eval mode")
class NoisyScores(DotProduct):
    """Scores have noise in evaluation mode."""

    def score(self, queries, projected):
        scores = super().score(queries, projected)
        return scores + torch.rand_like(scores)


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
    dtypes: ClassVar = (torch.float64,)


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
