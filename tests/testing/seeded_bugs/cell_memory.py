"""Cells with random numbers, a memory outside of their state, or a state that grows."""

import random
from typing import ClassVar

import torch
from torch import nn

from seeded_bugs.bug import bug
from seeded_bugs.sound_cell import Memory, Sound
from seqforge.testing.cell_suite import CellSuite


@bug(
    CellSuite,
    "test_chunks_with_the_state_carried_give_the_whole",
    "the output differs after chunking… (but not in every call: the cell may be random)",
)
class WrongOnce(Sound):
    """The first call of the process is wrong. (Any test can meet it; this one is about chunks.)"""

    is_first = True

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        error, WrongOnce.is_first = 0.1 * WrongOnce.is_first, False
        return outputs + error, after


@bug(
    CellSuite,
    "test_reading_again_gives_the_same_bits",
    "the output is random in eval mode: it depends on the generator `generator`",
)
class DrawsFromItsOwnGenerator(Sound):
    """The cell draws from a generator of its own."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.generator = torch.Generator().manual_seed(0)

    def step(self, projected, state):
        noise = torch.randn(projected.shape, generator=self.generator, dtype=projected.dtype)
        return super().step(projected + noise, state)


@bug(CellSuite, "test_any_size_is_read", "the given state was modified in place: `state.hidden`")
class WritesIntoItsState(Sound):
    """The state is updated in place."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        state.hidden.data.copy_(after.hidden)
        return outputs, after


@bug(
    CellSuite,
    "test_the_initial_state_depends_on_the_batch_size_alone",
    "`state.hidden` of `initial_state` changes from call to call",
)
class RandomStart(Sound):
    """The initial state is random."""

    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(torch.randn_like(hidden), steps)


@bug(
    CellSuite,
    "test_the_initial_state_depends_on_the_batch_size_alone",
    "`state.hidden` of `initial_state` changes from call to call",
)
class StartsWhereItStopped(Sound):
    """The initial state depends on the last sequence."""

    last = 0.0

    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(hidden + self.last, steps)

    def step(self, projected, state):
        output, after = super().step(projected, state)
        self.last = output.mean().item()
        return output, after


@bug(
    CellSuite,
    "test_the_initial_state_depends_on_the_batch_size_alone",
    "`state.hidden` of row …differs from `initial_state(1)`",
)
class RowsStartApart(Sound):
    """Rows have different initial states."""

    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(hidden + torch.arange(batch_size).unsqueeze(1), steps)


@bug(
    CellSuite, "test_any_size_is_read", "a call keeps a tensor [5, 3, 6] in the attribute `last`, outside of the state"
)
class RemembersOutsideItsState(Sound):
    """The last outputs are stored in an attribute."""

    last: torch.Tensor | None = None

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        if self.last is not None:
            outputs = outputs + 0 * self.last.mean()
        self.last = outputs
        return outputs, after


@bug(
    CellSuite,
    "test_reading_again_gives_the_same_bits",
    "the output depends on earlier calls: the cell stores something outside of its state (attribute `calls`)",
)
class CountsItsCalls(Sound):
    """The results depend on an attribute that changes."""

    calls = 0

    def step(self, projected, state):
        self.calls += 1
        return super().step(projected * (1 + self.calls), state)


@bug(CellSuite, "test_reading_again_gives_the_same_bits", "the given inputs were modified in place")
class HalvesItsInputs(Sound):
    """The inputs are halved in place."""

    def project(self, inputs):
        return super().project(inputs.mul_(0.5))


@bug(CellSuite, "test_reading_again_gives_the_same_bits", "the output is random in eval mode")
class DropsOutInEvaluation(Sound):
    """Dropout is active in evaluation mode."""

    def step(self, projected, state):
        return super().step(nn.functional.dropout(projected, 0.5), state)


@bug(
    CellSuite, "test_reading_again_gives_the_same_bits", "differs in a second call in training mode with the same seed"
)
class DrawsWithoutTheSeed(Sound):
    """Noise in training mode does not depend on the seed of torch."""

    def step(self, projected, state):
        noise = random.random() if self.training else 0.0
        return super().step(projected + noise, state)


@bug(CellSuite, "test_the_state_stays_bounded", "`state.hidden` grows without bound")
class SumsItsInputs(Sound):
    """The state sums its inputs."""

    def step(self, projected, state):
        hidden = state.hidden + projected
        return torch.tanh(hidden), Memory(hidden, state.steps + 1)


@bug(CellSuite, "test_the_state_stays_bounded", "`state.hidden` grows without bound")
class Explodes(Sound):
    """The state explodes."""

    def step(self, projected, state):
        hidden = 1.1 * state.hidden + projected
        return torch.tanh(hidden), Memory(hidden, state.steps + 1)


@bug(CellSuite, "test_the_state_stays_bounded", "`state.hidden` grows without bound")
class WalksAtRandom(Sound):
    """The state sums what the inputs differ from their mean, and grows with the root of the number of steps."""

    def step(self, projected, state):
        hidden = state.hidden + projected - self.input_weight.sum(1)
        return torch.tanh(hidden), Memory(hidden, state.steps + 1)


@bug(CellSuite, "test_initial_biases_can_be_set", "`set_initial_biases()` raises AttributeError")
class BiasThatDoesNotExist(Sound):
    """`set_initial_biases` raises an error."""

    def set_initial_biases(self):
        self.forget_bias.fill_(1.0)


@bug(
    CellSuite,
    "test_initial_biases_can_be_set",
    "`set_initial_biases` leaves numbers in `recurrent_weight` that are not finite",
)
class LogarithmOfZero(Sound):
    """`set_initial_biases` computes a logarithm of 0."""

    def set_initial_biases(self):
        self.recurrent_weight.zero_().log_()


@bug(
    CellSuite,
    "test_constrained_parameters_satisfy_the_constraints",
    "`constrain_parameters` replaces `input_weight`, which the optimizer does not notice",
)
class Replaces(Sound):
    """`constrain_parameters` replaces a parameter."""

    def constrain_parameters(self):
        self.input_weight = nn.Parameter(self.input_weight.clamp(-1, 1))


@bug(
    CellSuite,
    "test_constrained_parameters_satisfy_the_constraints",
    "a second call of `constrain_parameters` changes `input_weight`",
)
class Shrinks(Sound):
    """Each call of `constrain_parameters` halves a parameter."""

    def constrain_parameters(self):
        self.input_weight.mul_(0.5)


@bug(
    CellSuite,
    "test_constrained_parameters_satisfy_the_constraints",
    "`constrain_parameters` leaves numbers in `input_weight` that are not finite",
)
class DividesByTheNorm(Sound):
    """`constrain_parameters` divides a parameter by its norm, which may be 0."""

    def constrain_parameters(self):
        self.input_weight.div_(self.input_weight.norm())


@bug(
    CellSuite,
    "test_a_run_trains_resumes_samples_and_exports",
    "two layers share the parameter `recurrent_weight`: expected a parameter that `__init__` creates for each cell",
)
class SharesAWeight(Sound):
    """A weight belongs to the class, so that all layers share it."""

    shared: ClassVar[dict[int, nn.Parameter]] = {}

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.recurrent_weight = self.shared.setdefault(hidden_size, self.recurrent_weight)


@bug(
    CellSuite,
    "test_a_run_trains_resumes_samples_and_exports",
    "`stack.cells.0.input_weight` differs after a run is resumed, so that the run cannot be repeated",
)
class CountsItsTraining(Sound):
    """Gradients depend on how many sequences the cell has read, which is in no checkpoint."""

    read = 0

    def forward(self, inputs, state):
        self.read += torch.is_grad_enabled()
        outputs, after = super().forward(inputs, state)
        return outputs * (1 + self.read), after


@bug(
    CellSuite,
    "test_forward_and_step_draw_the_same_in_training",
    "in training mode the output of `forward` differs from the scan of `step`",
)
class ScalesInTraining(Sound):
    """`forward` doubles its inputs in training mode, as dropout does without its random numbers."""

    def forward(self, inputs, state):
        return super().forward(2 * inputs if self.training else inputs, state)


@bug(
    CellSuite,
    "test_forward_and_step_draw_the_same_in_training",
    "in training mode `step` draws random numbers, such as dropout, and `forward` does not",
)
class DropsOutInStepOnly(Sound):
    """`step` has dropout, and `forward` has none."""

    drops = True

    def step(self, projected, state):
        return super().step(nn.functional.dropout(projected, 0.5, self.training and self.drops), state)

    def forward(self, inputs, state):
        self.drops = False
        results = super().forward(inputs, state)
        self.drops = True
        return results


@bug(
    CellSuite,
    "test_any_size_is_read",
    "a call keeps a tensor [3, 6] in the attribute `history[…]`, outside of the state",
)
class KeepsItsOutputs(Sound):
    """The outputs of all steps are kept in a list."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.history = []

    def step(self, projected, state):
        output, after = super().step(projected, state)
        self.history.append(output)
        return output, after


@bug(
    CellSuite,
    "test_tensors_are_registered",
    "it sets the seed of torch, so that the other random numbers of a run repeat",
)
class SetsTheSeed(Sound):
    """The cell sets the global seed, so that its parameters are always the same."""

    def __init__(self, input_size, hidden_size):
        torch.manual_seed(0)
        super().__init__(input_size, hidden_size)
